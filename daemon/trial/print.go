package trial

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// Bounds of what is printed of one event.
const (
	maxLines = 20
	maxWidth = 160 // runes of a line
)

// A Printer writes results for people to read.
type Printer struct {
	Out io.Writer
	// Full leaves nothing out.
	Full bool

	service      string
	good, failed int
	err          error
}

// Print writes one result.
func (p *Printer) Print(r Result) {
	if r.Service != p.service {
		p.service = r.Service
		p.line("%s", r.Service)
	}
	by := ""
	if r.Further != "" {
		by = " (" + oneLine(r.Further) + ")"
	}
	p.line("  %s %s%s", r.Real, r.Check, by)
	for _, e := range r.Events {
		p.event(e)
	}
	word := "good"
	if r.OK {
		p.good++
	} else {
		p.failed++
		word = "failed"
	}
	took := ""
	if r.Check != "" {
		took = fmt.Sprintf(" after %s", r.Duration.Round(100*time.Microsecond))
	}
	p.line("    %s%s: %s", word, took, r.Verdict)
	if r.Warning != "" {
		p.line("    warning: %s", r.Warning)
	}
	if r.NotByVIP != "" {
		p.line("    not checked by the VIP: %s", oneLine(r.NotByVIP))
	}
	if r.Ldirectord != "" {
		p.line("    ldirectord: %s", r.Ldirectord)
	}
}

// Close writes how many checks there were and returns how many of them have
// failed, and the first error of Out.
func (p *Printer) Close() (failed int, err error) {
	p.line("%d good, %d failed", p.good, p.failed)
	return p.failed, p.err
}

func (p *Printer) event(e checks.TraceEvent) {
	at := fmt.Sprintf("%9.1fms", float64(e.At)/float64(time.Millisecond))
	lines := p.lines(e)
	p.line("%s  %-9s  %s", at, e.Kind, lines[0])
	for _, l := range lines[1:] {
		p.line("%24s%s", "", l)
	}
}

// lines returns the text of an event, as much of it as is printed.
func (p *Printer) lines(e checks.TraceEvent) []string {
	var lines []string
	left := 0
	for l := range strings.Lines(e.Text) {
		if len(lines) == maxLines && !p.Full {
			left++
			continue
		}
		lines = append(lines, p.shorten(oneLine(strings.TrimRight(l, "\r\n"))))
	}
	if left > 0 {
		lines = append(lines, fmt.Sprintf("(%d lines more: --full shows them)", left))
	}
	if e.Cut || strings.HasPrefix(e.Text, "binary") {
		lines = append(lines, fmt.Sprintf("(%d bytes in all)", e.Bytes))
	}
	if len(lines) == 0 {
		lines = []string{""}
	}
	return lines
}

func (p *Printer) shorten(line string) string {
	if runes := []rune(line); len(runes) > maxWidth && !p.Full {
		return string(runes[:maxWidth]) + "…"
	}
	return line
}

func (p *Printer) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.Out, format+"\n", args...); p.err == nil {
		p.err = err
	}
}
