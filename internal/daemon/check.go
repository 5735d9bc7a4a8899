package daemon

import (
	"context"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director"
)

// Check reads a configuration as `shunt run` does, up to the point where it
// would be put in force. The errors are of type config.Problems, unless the
// file cannot be read at all. name stands for the file in messages.
func Check(ctx context.Context, name string, text []byte, strict bool) (*config.Config, error) {
	conf, err := config.Parse(ctx, name, text, config.Options{Strict: strict})
	if err != nil {
		return nil, err
	}
	if ps := director.Validate(conf, unsupported); len(ps) > 0 {
		return nil, append(withLines(ps, text), conf.Warnings...)
	}
	return conf, nil
}

// withLines adds to each problem the line of the file it is about.
func withLines(ps config.Problems, text []byte) config.Problems {
	lines := strings.Split(string(text), "\n")
	for i := range ps {
		if n := ps[i].Pos.Line; n > 0 && n <= len(lines) {
			ps[i].Line = strings.TrimRight(lines[n-1], "\r")
		}
	}
	return ps
}
