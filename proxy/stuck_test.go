package proxy_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// A blockingSorry is a sorry server that does not let go of the worker that asks it.
type blockingSorry struct {
	caught chan struct{}
	free   chan struct{}
	lift   sync.Once
}

func (r *blockingSorry) ServeConn(_ string, c net.Conn) { _ = c.Close() }

func (r *blockingSorry) Answer(string, []byte) []byte {
	select {
	case r.caught <- struct{}{}:
	default:
	}
	<-r.free
	return nil
}

func (r *blockingSorry) release() { r.lift.Do(func() { close(r.free) }) }

// newStuck returns a dataplane of two workers of which one is stuck, and a
// service that was there before.
func newStuck(t *testing.T, log *recorder) (*proxy.Dataplane, *blockingSorry, dataplane.VirtualService) {
	t.Helper()
	r := &blockingSorry{caught: make(chan struct{}, 1), free: make(chan struct{})}
	d := newPlane(t, proxy.Options{Workers: 2, Responder: r, Log: log.logger()})
	t.Cleanup(r.release) // before it is closed
	old := tcpService(t, tcpServer(t, "127.0.0.1", says("old")))
	apply(t, d, old)
	bait := serviceAt(dataplane.UDP, process.FreeAddr(t))
	bait.RealServers = []dataplane.RealServer{{Sorry: true, Weight: 1}}
	apply(t, d, bait)
	send(t, dialUDP(t, bait), "x")
	select {
	case <-r.caught:
	case <-time.After(patience):
		t.Fatal("no worker has asked the sorry server")
	}
	return d, r, old
}

// within calls f, which has to return before patience ends.
func within(t *testing.T, what string, f func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("%s waits for a worker that is stuck", what)
	}
	return nil
}

// TestStuckWorker: nobody waits for a stuck worker beyond the deadline, and
// everything is in order when the worker is no longer stuck.
func TestStuckWorker(t *testing.T) {
	t.Parallel()
	var log recorder
	d, r, old := newStuck(t, &log)
	wait.Until(t, "it is found out", func() bool { l := d.Load(); return l.Stuck() != nil })
	wait.Until(t, "it is logged", func() bool {
		return log.count("worker of the proxy is stuck: its connections and a share of new ones get no answer") == 1
	})
	if err := within(t, "Snapshot", func(context.Context) error { _, err := d.Snapshot(t.Context()); return err }); err != nil {
		t.Errorf("Snapshot: %v", err)
	}
	late := tcpService(t, tcpServer(t, "127.0.0.1", says("late")))
	tuned := old.Clone()
	tuned.KeepAlive = time.Hour
	udp := udpService(t)
	for _, tt := range []struct {
		what string
		f    func(context.Context) error
		fine bool
	}{
		{"Apply of what is in force", func(ctx context.Context) error { return d.Apply(ctx, old) }, true},
		{"Apply of a change", func(ctx context.Context) error { return d.Apply(ctx, tuned) }, true},
		{"Apply of a new service", func(ctx context.Context) error { return d.Apply(ctx, late) }, false},
		{"Apply of a new UDP service", func(ctx context.Context) error { return d.Apply(ctx, udp) }, false},
		{"Remove", func(ctx context.Context) error { return d.Remove(ctx, old.ID) }, false},
		{"Apply after that", func(ctx context.Context) error { return d.Apply(ctx, old) }, false},
		{"Drain", d.Drain, false},
	} {
		if err := within(t, tt.what, tt.f); (err == nil) != tt.fine || err != nil && !strings.Contains(err.Error(), "is stuck") {
			t.Errorf("%s with a stuck worker: %v", tt.what, err)
		}
	}
	if err := within(t, "Snapshot", func(context.Context) error { _, err := d.Snapshot(t.Context()); return err }); err != nil {
		t.Errorf("Snapshot: %v", err)
	}
	r.release()
	wait.Until(t, "it turns again", func() bool { l := d.Load(); return l.Stuck() == nil })
	wait.Until(t, "that is logged", func() bool { return log.count("worker of the proxy is no longer stuck") == 1 })
	if err := d.Remove(t.Context(), old.ID); err != nil {
		t.Errorf("Remove after that: %v", err)
	}
	wantRefused(t, old)
}

// TestServedAgainAfterStuckWorker: a service that could not be applied is applied
// at all workers when the worker is no longer stuck.
func TestServedAgainAfterStuckWorker(t *testing.T) {
	t.Parallel()
	d, r, old := newStuck(t, &recorder{})
	late := tcpService(t, tcpServer(t, "127.0.0.1", says("late")))
	for range 3 {
		_ = within(t, "Apply", func(ctx context.Context) error { return d.Apply(ctx, late) })
		_ = within(t, "Remove", func(ctx context.Context) error { return d.Remove(ctx, old.ID) })
	}
	r.release()
	apply(t, d, late)
	apply(t, d, old)
	for range 20 {
		wantAnswer(t, late, "late")
		wantAnswer(t, old, "old")
	}
}

// TestCloseWithStuckWorker: Close returns all the same, with an error.
func TestCloseWithStuckWorker(t *testing.T) {
	t.Parallel()
	d, r, _ := newStuck(t, &recorder{})
	defer r.release()
	done := make(chan error, 1)
	go func() { done <- d.Close() }()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "is stuck") {
			t.Errorf("Close with a stuck worker: %v", err)
		}
	case <-time.After(3 * patience):
		t.Fatal("Close waits for a worker that is stuck")
	}
}
