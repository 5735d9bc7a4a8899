package stream

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

func quietEngine(t testing.TB, workers int) *Forwarder {
	e := engine.New(engine.Options{Workers: workers, Log: slog.New(slog.DiscardHandler)})
	f := streams(e, 100)
	t.Cleanup(func() { _ = e.Close() })
	return f
}

// unused returns an address nobody listens at.
func unused(t testing.TB) netip.AddrPort {
	l, addr := listen(t)
	_ = l.Close()
	return addr
}

// A listener that cannot be opened gives back every socket it has made.
func TestListenFailsWhole(t *testing.T) {
	f := quietEngine(t, 3)
	team, err := f.engine.Start()
	if err != nil {
		t.Fatal(err)
	}
	team[2].Stop()
	for team[2].Post(func() {}) {
		time.Sleep(time.Millisecond)
	}
	at := unused(t)
	if _, err := f.Listen(t.Context(), at, newService()); err == nil {
		t.Fatal("listening with a worker that has ended")
	}
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	_ = l.Close()
}

// Of those that begin to listen at an address at the same time one succeeds.
func TestListenAtOnce(t *testing.T) {
	const rivals = 2
	var engines [rivals]*Forwarder
	for i := range engines {
		engines[i] = quietEngine(t, 1)
		if _, err := engines[i].engine.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		at := unused(t)
		var won atomic.Int32
		var wg sync.WaitGroup
		start, listening := make(chan struct{}), make(chan *Listener, rivals)
		for _, f := range engines {
			wg.Go(func() {
				<-start
				if l, err := f.Listen(t.Context(), at, newService()); err == nil {
					won.Add(1)
					listening <- l
				}
			})
		}
		close(start)
		wg.Wait()
		close(listening)
		for l := range listening {
			_ = l.Close(t.Context())
		}
		if n := won.Load(); n != 1 {
			t.Fatalf("%d of %d have the address, want one", n, rivals)
		}
	}
}
