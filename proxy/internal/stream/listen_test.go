package stream

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

func quietEngine(t testing.TB, workers int) *Forwarder {
	e := engine.New(engine.Options{Workers: workers, Log: slog.New(slog.DiscardHandler)})
	f := streams(e, 100)
	t.Cleanup(func() { _ = e.Close() })
	return f
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
	at := process.FreeAddr(t)
	if _, err := f.Listen(t.Context(), at, newService()); err == nil {
		t.Fatal("listening with a worker that has ended")
	}
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	_ = l.Close()
}

// Of those that begin to listen at an address at the same time one at most succeeds.
// All may fail: the kernel counts a socket as listening before it has looked for
// others (inet_csk_listen_start, net/ipv4/inet_connection_sock.c). Then the address
// is free again.
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
		at := process.FreeAddr(t)
		won := listenAtOnce(t, engines[:], at)
		if n := len(won); n > 1 {
			t.Fatalf("%d of %d have the address, want one", n, rivals)
		}
		for end := time.Now().Add(time.Minute); len(won) == 0; won = listenAtOnce(t, engines[:1], at) {
			if time.Now().After(end) {
				t.Fatal("the address is still taken, and nobody has it")
			}
		}
		_ = won[0].Close(t.Context())
	}
}

// listenAtOnce returns the listeners of those that have got the address.
func listenAtOnce(t *testing.T, engines []*Forwarder, at netip.AddrPort) []*Listener {
	var wg sync.WaitGroup
	start, listening := make(chan struct{}), make(chan *Listener, len(engines))
	for _, f := range engines {
		wg.Go(func() {
			<-start
			if l, err := f.Listen(t.Context(), at, newService()); err == nil {
				listening <- l
			}
		})
	}
	close(start)
	wg.Wait()
	close(listening)
	var won []*Listener
	for l := range listening {
		won = append(won, l)
	}
	return won
}
