package load

import (
	"os"
	"time"
)

// Here runs a job in this process, for as long as its client takes.
func Here(j Job) (Outcome, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return Outcome{}, err
	}
	defer r.Close()
	defer w.Close()
	return run(j, int(r.Fd()), func(message) {})
}

// Loop is a client and its real servers in one thread, turned by hand.
type Loop struct{ r *runner }

// NewLoop returns one that does c's work, without end. Targets are s's.
func NewLoop(c Client, s []Serve) (*Loop, error) {
	l, err := newLoop()
	if err != nil {
		return nil, err
	}
	r := &runner{l: l, netns: namespaces{home: -1}}
	if err := r.prepare(Job{Serve: s}, func(m message) { c.Targets = m.Listening }); err != nil {
		return nil, err
	}
	c.Duration = time.Duration(never / 2)
	if r.client, err = newClient(l, c, func(time.Time) {}); err == nil {
		r.client.start()
	}
	return &Loop{r: r}, err
}

// Turn goes on until n more operations have succeeded.
func (l *Loop) Turn(n int) error {
	t := l.r.client.t
	for until := t.operations + uint64(n); t.operations < until; {
		if err := l.r.l.turn(); err != nil {
			return err
		}
	}
	return nil
}

// Errors is what went wrong.
func (l *Loop) Errors() map[string]int {
	words, _ := l.r.client.t.faults.byKind()
	return words
}

// Close closes everything.
func (l *Loop) Close() { l.r.close() }
