package logs

import (
	"os"
	"time"
)

// Settings are what a test may choose. Without them, who logs waits as long as
// it takes; nothing is ever waited for before trying again.
type Settings struct {
	Stderr  *os.File
	Sockets []string
	Patient time.Duration
	Write   time.Duration
}

// OpenWith is Open with other settings.
func OpenWith(o Options, w Settings) (*Sink, error) {
	set := normal()
	set.stderr, set.sockets = w.Stderr, w.Sockets
	set.patient = time.Minute
	set.moved, set.redial, set.rest = 0, 0, 0
	if w.Patient > 0 {
		set.patient = w.Patient
	}
	if w.Write > 0 {
		set.write = w.Write
	}
	return open(o, set)
}
