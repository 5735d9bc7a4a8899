package report

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress is a bar on a terminal. The zero value and nil show nothing. It is
// for one goroutine.
type Progress struct {
	bar *progressbar.ProgressBar
}

// NewProgress returns the progress of that many steps, shown on f, which is
// stderr; nothing is written to f where it is no terminal.
func NewProgress(f *os.File, steps int) *Progress {
	width := Terminal(f).Width
	if width == 0 || steps <= 0 {
		return &Progress{}
	}
	return &Progress{bar: progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetWidth(max(10, min(30, width-60))),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// Doing sets the name of the step that begins now: "throughput: haproxy, round 2
// of 5".
func (p *Progress) Doing(what string) {
	if p != nil && p.bar != nil {
		p.bar.Describe(what)
	}
}

// Step counts a step that is done.
func (p *Progress) Step() {
	if p != nil && p.bar != nil {
		_ = p.bar.Add(1) // a bar that cannot be drawn is no reason to stop measuring
	}
}

// Close removes the bar from the terminal. Nothing is shown after it.
func (p *Progress) Close() {
	if p != nil && p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}
