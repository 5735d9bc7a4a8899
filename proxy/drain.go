package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/stream"
)

// End implements [dataplane.Drainer].
func (d *Dataplane) End(ctx context.Context) error {
	d.mu.Lock()
	stay := map[*stream.Service]bool{}
	for _, s := range d.services {
		if f, ok := s.front.(*tcpFront); ok {
			stay[&f.service] = true
		}
	}
	d.mu.Unlock()
	return d.tcp.CutOthers(ctx, stay)
}

// Drain implements [dataplane.Drainer]. New TCP connections are refused from its
// beginning on. UDP flows keep their real server and end when they have been idle
// for ten seconds, or their idle timeout if that is less. Services can still be
// changed.
func (d *Dataplane) Drain(ctx context.Context) error {
	if err := d.refuseNew(ctx); err != nil {
		return err
	}
	if err := d.tcp.Wait(ctx); err != nil {
		return err
	}
	return d.udp.Wait(ctx)
}

func (d *Dataplane) refuseNew(ctx context.Context) error {
	// Connections of a worker that is stuck never end.
	ctx, cancel := context.WithTimeout(ctx, dataplane.StuckAfter)
	defer cancel()
	ctx, end, err := d.change(ctx)
	if err != nil {
		return err
	}
	defer end()
	d.mu.Lock()
	d.draining = true
	d.mu.Unlock()
	var errs []error
	for _, s := range d.all() {
		errs = append(errs, s.front.drain(ctx))
	}
	return errors.Join(errs...)
}

// closeGrace is how long Close waits for a change of services that is under way.
const closeGrace = time.Second

// Close implements [dataplane.Dataplane]. It resets all connections and returns nil
// when every goroutine has ended, calls of the Responder included, or after some
// seconds an error if a worker does not end.
func (d *Dataplane) Close() error {
	d.stopServices()
	err := d.engine.Close()
	if !engine.Within(closeGrace, d.work.Wait) && err == nil {
		err = errors.New("the books of a service cannot be read")
	}
	return err
}

// stopServices stops everything that begins connections.
func (d *Dataplane) stopServices() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	select {
	case d.changing <- struct{}{}:
		defer func() { <-d.changing }()
	case <-ctx.Done():
	}
	for _, s := range d.all() {
		_ = s.front.close(ctx) // else the engine does
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.services)
}
