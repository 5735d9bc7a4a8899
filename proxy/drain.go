package proxy

import (
	"context"

	"github.com/shunt-lb/shunt/dataplane"
)

// Drain implements [dataplane.Drainer]. TCP connections are refused from when
// it begins. UDP flows keep their real server and end when nothing has moved
// for ten seconds, or their idle timeout if that is less. Services can still
// be changed.
func (d *Dataplane) Drain(ctx context.Context) error {
	if err := d.refuseNew(); err != nil {
		return err
	}
	return d.engine.Wait(ctx)
}

func (d *Dataplane) refuseNew() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return dataplane.ErrClosed
	}
	d.draining = true
	for _, s := range d.services {
		s.front.drain()
	}
	return nil
}

// Close implements [dataplane.Dataplane]. Connections are reset. It returns
// when every goroutine has ended, for which a Responder may have to do its
// part.
func (d *Dataplane) Close() error {
	d.shut()
	d.engine.Close()
	d.work.Wait()
	return nil
}

// shut stops everything that begins connections.
func (d *Dataplane) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.cancel()
	for _, s := range d.services {
		s.front.close()
	}
	clear(d.services)
}
