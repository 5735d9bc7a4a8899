package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A scene is one step of the story: something happens, and after a while the
// clients see it.
type scene struct {
	title string
	act   func() error
	// after is what a client of a row of requests gets in the end, sorted.
	want []string
}

// requests is how many a client makes in each scene: two rounds of wrr with
// weights 2 and 1.
const requests = 6

// sorryPage is what stands for the sorry page in a row of answers.
const sorryPage = "sorry page (503)"

func (s *stage) scenes() []scene {
	nothing := func() error { return nil }
	both := []string{"A", "A", "A", "A", "B", "B"}
	return []scene{
		{"The director has checked both: wrr with weights 2 and 1.", nothing, both},
		{"Server A stops.", s.a.stopped, repeat("B", requests)},
		{"Server B stops, too: nobody is left, and the built-in sorry page answers.", s.b.stopped, repeat(sorryPage, requests)},
		{"Server B is back.", s.b.start, repeat("B", requests)},
		{"Server A is back.", s.a.start, both},
	}
}

func repeat(s string, n int) []string { return slices.Repeat([]string{s}, n) }

// story plays all scenes. An error says what the clients saw instead.
func (s *stage) story(ctx context.Context) error {
	for i, sc := range s.scenes() {
		s.say("%d. %s", i+1, sc.title)
		if err := sc.act(); err != nil {
			return err
		}
		begin := time.Now()
		row, err := s.until(ctx, sc.want)
		if err != nil {
			return err
		}
		s.say("   after %.1f s, %d requests: %s\n", time.Since(begin).Seconds(), len(row), shorten(row))
	}
	return nil
}

// until makes rows of requests until one is answered as wanted, in whatever
// order, and returns that row.
func (s *stage) until(ctx context.Context, want []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		row := s.row(ctx)
		if slices.Equal(slices.Sorted(slices.Values(row)), want) {
			return row, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("clients see %q, not %q", row, want)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *stage) row(ctx context.Context) []string {
	var row []string
	for range requests {
		row = append(row, ask(ctx, s.vip))
	}
	return row
}

// shorten is a row for people to read.
func shorten(row []string) string {
	if len(slices.Compact(slices.Clone(row))) == 1 {
		return "all " + row[0]
	}
	return strings.Join(row, " ")
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ") + "\n"
}
