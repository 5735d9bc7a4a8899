package dataplanetest

import (
	"context"
	"errors"
	"os"

	"github.com/shunt-lb/shunt/dataplane"
)

var closing = []promise{
	{"close/errors", "after Close every method returns ErrClosed and Close nil", closeErrors},
	{"close/connections", "Close ends what this process carries, services and connections", closeConnections},
	{"drain/end", "End resets the connections of services that were removed, and no others", endsRemoved},
	{"drain/waits", "Drain takes nothing new and waits for what is there", drainWaits},
	{"drain/deadline", "Drain gives up with its context's error", drainDeadline},
}

func closeErrors(s *fixture) {
	p := s.tcpService("rr", 1)
	p.apply()
	p.remove()
	s.check("Close", s.dp.Close())
	ctx := s.Context()
	_, err := s.dp.Snapshot(ctx)
	for method, err := range map[string]error{
		"Apply":    s.dp.Apply(ctx, p.want),
		"Remove":   s.dp.Remove(ctx, p.want.ID),
		"Snapshot": err,
	} {
		if !errors.Is(err, dataplane.ErrClosed) {
			s.Errorf("%s after Close returns %v, want ErrClosed", method, err)
		}
	}
	s.check("Close again", s.dp.Close())
}

func closeConnections(s *fixture) {
	p, q := s.tcpService("rr", 1), s.udpService("rr", 1)
	p.apply()
	q.apply()
	c := p.held(0)
	q.asks(q.flow(0), 1)
	s.check("Close", s.dp.Close())
	if _, err := c.line(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		s.Error("a connection goes on after Close")
	}
	p.refuses("after Close")
}

func (s *fixture) drainer() dataplane.Drainer {
	s.Helper()
	d, ok := s.dp.(dataplane.Drainer)
	if !ok {
		s.Fatal("connections end with this dataplane, and it does not implement dataplane.Drainer")
	}
	return d
}

// start runs fn in the background.
func start(fn func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- fn() }()
	return result
}

func endsRemoved(s *fixture) {
	d := s.drainer()
	p, q := s.tcpService("rr", 1), s.tcpService("rr", 1)
	p.apply()
	q.apply()
	ended, stays := p.held(0), q.held(0)
	p.remove()
	ended.alive("after its service was removed")
	s.check("End", s.returns("End", start(func() error { return d.End(s.Context()) })))
	if _, err := ended.line(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		s.Error("a connection of a service that was removed goes on after End")
	}
	stays.alive("after the end of others")
}

func drainWaits(s *fixture) {
	d := s.drainer()
	p := s.tcpService("rr", 1)
	p.apply()
	c := p.held(0)
	drained := start(func() error { return d.Drain(s.Context()) })
	s.until("a draining dataplane refuses", func() bool {
		c, err := p.reach(0, p.vip)
		if err == nil {
			c.close()
		}
		return refused(err)
	})
	c.alive("while draining")
	select {
	case err := <-drained:
		s.Fatalf("Drain returned %v with a connection open", err)
	default:
	}
	s.check("finish sending", c.CloseWrite())
	s.check("the proper end of a connection while draining", c.ended())
	c.close()
	s.check("Drain", s.returns("Drain without connections", drained))
}

func drainDeadline(s *fixture) {
	d := s.drainer()
	p := s.tcpService("rr", 1)
	p.apply()
	p.held(0)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	err := s.returns("Drain with a cancelled context", start(func() error { return d.Drain(ctx) }))
	if !errors.Is(err, context.Canceled) {
		s.Errorf("Drain with a connection open and a cancelled context returns %v, want %v", err, context.Canceled)
	}
	s.check("Close", s.dp.Close())
}
