package virtual

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

func TestRefusalReasons(t *testing.T) {
	for _, tt := range []struct {
		e    unix.Errno
		full bool
		want dataplane.Refusal
	}{
		{0, false, dataplane.Unusable},
		{0, true, dataplane.Queued},
		{unix.ECONNREFUSED, false, dataplane.Unreachable},
		{unix.ETIMEDOUT, false, dataplane.Unreachable},
		{unix.EHOSTUNREACH, true, dataplane.Queued},
		{unix.EADDRNOTAVAIL, false, dataplane.Portless},
		{unix.EAGAIN, true, dataplane.Portless},
		{unix.EMFILE, false, dataplane.Bound},
		{ErrLimit, false, dataplane.Bound},
	} {
		if got := Refusal(tt.e, tt.full); got != tt.want {
			t.Errorf("%v, full %t: %v, want %v", tt.e, tt.full, got, tt.want)
		}
	}
}

// A logBuffer is what has been logged.
type logBuffer struct {
	mu    sync.Mutex
	lines []string
}

func (j *logBuffer) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(line))
	return len(line), nil
}

func (j *logBuffer) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// TestRefusalsInLog: each service logs once a minute whom it has refused, and
// why, even if there was no room for a line at first.
func TestRefusalsInLog(t *testing.T) {
	var m perMinute
	said := 0
	say := func(ok bool) func() bool { return func() bool { said++; return ok } }
	for _, step := range []struct {
		at   time.Duration
		ok   bool
		want int
	}{{0, false, 1}, {1, true, 2}, {2, true, 2}, {time.Minute, true, 2}, {time.Minute + 1, true, 3}, {time.Minute + 2, true, 3}} {
		if m.do(step.at, say(step.ok)); said != step.want {
			t.Errorf("after %v it has been tried to say it %d times, want %d", step.at, said, step.want)
		}
	}

	var j logBuffer
	e := engine.New(engine.Options{Log: slog.New(slog.NewTextHandler(&j, nil))})
	r := NewReporter(e)
	a := &Service{Name: "a", Books: table.New(dataplane.VirtualService{Scheduler: "rr"})}
	b := &Service{Name: "b", Books: table.New(dataplane.VirtualService{Scheduler: "rr"})}
	for range 3 {
		r.Refused(a, unix.ECONNREFUSED, dataplane.Unreachable, nil)
		r.Refused(b, 0, dataplane.Unusable, nil)
	}
	e.Close()
	lines := j.read()
	for i, want := range []string{
		`level=WARN msg="client refused" service=a reason=unreachable err="connection refused"`,
		`level=WARN msg="client refused" service=b reason=unusable`,
	} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("the log has %q, want %s in line %d", lines, want, i)
		}
	}
	if len(lines) != 2 {
		t.Errorf("the log has %d lines, want one for each service", len(lines))
	}
}
