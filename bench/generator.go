package bench

import (
	"context"
	"errors"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
)

// A generator is the clients and real servers of a round: one thread, which
// costs least, and two where each has a processor.
type generator struct {
	client  *load.Process
	servers *load.Process // nil where the client's process has them
}

func generate(ctx context.Context, j load.Job) (g generator, err error) {
	if n := len(j.Processors); n > 1 {
		servers := load.Job{Serve: j.Serve, Processors: j.Processors[n/2:]}
		j.Serve, j.Processors = nil, j.Processors[:n/2]
		if g.servers, err = load.Start(ctx, servers); err != nil {
			return g, err
		}
	}
	if g.client, err = load.Start(ctx, j); err != nil {
		_, err2 := g.stop()
		return g, errors.Join(err, err2)
	}
	return g, nil
}

// wait waits for the clients' end, and returns their outcome with the processor
// time of both.
func (g generator) wait() (load.Outcome, error) {
	o, err := g.client.Wait()
	s, err2 := g.stop()
	// The servers' time includes the warm-up.
	scale := result.Ratio(o.Seconds, s.Seconds)
	o.CPU.User += scale * s.CPU.User
	o.CPU.System += scale * s.CPU.System
	return o, errors.Join(err, err2)
}

func (g generator) stop() (load.Outcome, error) {
	if g.servers == nil {
		return load.Outcome{}, nil
	}
	return g.servers.Stop()
}
