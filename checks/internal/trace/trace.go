// Package trace keeps what a check sent to a real server and what came back,
// for somebody who runs the check by hand.
//
// The package imports nothing of the project.
package trace

import (
	"fmt"
	"sync"
	"time"
)

const (
	// MaxHeld is how many bytes of all that is sent and received a Trace keeps.
	MaxHeld = 64 << 10
	// maxEvents is how many events it keeps.
	maxEvents = 512
)

// A Kind is a sort of [Event].
type Kind string

// The kinds of events.
const (
	Connected Kind = "connected" // a connection was made, or could not be made
	TLS       Kind = "tls"       // a handshake has ended
	Sent      Kind = "sent"
	Received  Kind = "received"
	Ended     Kind = "ended" // the real server sends no more
	Noted     Kind = "noted" // anything else that is worth a line
)

// An Event is one thing that a check did or was told.
type Event struct {
	// At is the time since the first event.
	At   time.Duration `json:"at_ns"`
	Kind Kind          `json:"kind"`
	// Text says what happened. Of Sent and Received it is the beginning of
	// the bytes as they were, with "***" in place of secrets: whoever prints
	// it escapes what a terminal would follow. Bytes that are no text are
	// described.
	Text string `json:"text"`
	// Bytes is how many bytes were sent or received.
	Bytes int `json:"bytes,omitempty"`
	// Cut: Text has not all of them.
	Cut bool `json:"cut,omitempty"`
}

// A Trace records one check. The zero value is ready; a nil *Trace takes
// everything and keeps nothing, so that a check that nobody watches costs no
// more than a comparison. All methods may be called from any goroutine.
type Trace struct {
	mu      sync.Mutex
	began   time.Time
	secrets secrets
	events  []record
	held    int
}

// A record is an event as it happened.
type record struct {
	at   time.Duration
	kind Kind
	data []byte
	n    int
}

// Hide has passwords and secrets shown as "***" in whatever form they are
// sent, and the answers to a challenge that login gives. Empty ones count for
// nothing.
func (t *Trace) Hide(login string, values ...string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.secrets.add(login, values)
}

// Note records something in words.
func (t *Trace) Note(kind Kind, format string, args ...any) {
	if t != nil {
		t.add(kind, []byte(fmt.Sprintf(format, args...)), 0)
	}
}

// Data records what was sent or received. What follows in the same direction
// belongs to the same event.
func (t *Trace) Data(kind Kind, b []byte) {
	if t != nil && len(b) > 0 {
		t.add(kind, b, len(b))
	}
}

func (t *Trace) add(kind Kind, b []byte, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.began.IsZero() {
		t.began = now
	}
	last := len(t.events) - 1
	if n == 0 || last < 0 || t.events[last].kind != kind {
		if last == maxEvents-1 {
			return
		}
		t.events = append(t.events, record{at: now.Sub(t.began), kind: kind})
		last++
	}
	e := &t.events[last]
	kept := b[:min(len(b), MaxHeld-t.held)]
	t.held += len(kept)
	e.data, e.n = append(e.data, kept...), e.n+n
}

// Events returns what was recorded, with secrets masked, oldest first.
func (t *Trace) Events() []Event {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	events := make([]Event, 0, len(t.events))
	for _, r := range t.events {
		e := Event{At: r.at, Kind: r.kind, Bytes: r.n}
		if r.n == 0 {
			e.Text = t.secrets.mask(string(r.data), false, false)
		} else {
			e.Cut = r.n > len(r.data)
			e.Text = t.secrets.show(r.data, r.kind == Sent, e.Cut)
		}
		events = append(events, e)
	}
	return events
}
