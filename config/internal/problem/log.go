package problem

import (
	"context"
	"log/slog"
)

// Log writes a record for each problem: its place, what is wrong, and how to mend it.
// Errors have the level of errors, the others that of warnings.
func (ps Problems) Log(log *slog.Logger) {
	ctx := context.Background()
	for i := range ps {
		switch p := &ps[i]; p.Severity {
		case Error:
			log.LogAttrs(ctx, slog.LevelError, "configuration error", p.attrs()...)
		case Waiting:
			log.LogAttrs(ctx, slog.LevelWarn, "configuration waits", p.attrs()...)
		default:
			log.LogAttrs(ctx, slog.LevelWarn, "configuration warning", p.attrs()...)
		}
	}
}

// attrs returns the parts of a problem, without those that it has not.
func (p *Problem) attrs() []slog.Attr {
	all := []slog.Attr{slog.String("file", p.Pos.File)}
	if p.Pos.Line > 0 {
		all = append(all, slog.Int("line", p.Pos.Line))
	}
	if p.Pos.Col > 0 {
		all = append(all, slog.Int("column", p.Pos.Col))
	}
	all = append(all, slog.String("problem", p.Text+p.also()))
	if p.Hint != "" {
		all = append(all, slog.String("hint", p.Hint))
	}
	return all
}
