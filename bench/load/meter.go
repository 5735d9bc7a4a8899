package load

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/result"
)

// A meter measures the processor time of the process between two moments.
type meter struct {
	at    time.Time
	usage unix.Rusage
	cpu   result.CPU // valid once stopped, as is busy
	busy  float64
}

func (m *meter) start() {
	m.at = time.Now()
	_ = unix.Getrusage(unix.RUSAGE_SELF, &m.usage) // cannot fail with valid arguments
}

func (m *meter) stop() {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	m.cpu.User = seconds(u.Utime) - seconds(m.usage.Utime)
	m.cpu.System = seconds(u.Stime) - seconds(m.usage.Stime)
	m.busy = (m.cpu.User + m.cpu.System) / max(time.Since(m.at).Seconds(), 1e-9)
}

func seconds(t unix.Timeval) float64 { return time.Duration(t.Nano()).Seconds() }
