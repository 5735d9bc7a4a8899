package loop

import (
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// generous is when a test gives up on something that will not come any more.
const generous = 10 * time.Minute

// A crank is a worker that turns when the test says so and whose clock the test
// moves.
type crank struct {
	testing.TB
	engine *Engine
	w      *worker
	now    time.Duration
	shut   func() // what the worker has, once
}

// newCrank calls setup with the engine before there is a worker.
func newCrank(t testing.TB, setup func(*Engine)) *crank {
	t.Helper()
	k := &crank{TB: t, now: tickLength / 2}
	k.engine = New(Options{Workers: 1, Log: slog.New(slog.DiscardHandler), Clock: func() time.Duration { return k.now }})
	t.Cleanup(func() { _ = k.engine.Close() })
	setup(k.engine)
	w, err := newWorker(k.engine)
	k.must(err)
	k.w, k.shut = w, sync.OnceFunc(w.shut)
	k.Cleanup(k.shut)
	return k
}

func (k *crank) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// until turns until ok is true.
func (k *crank) until(what string, ok func() bool) {
	k.Helper()
	for end := time.Now().Add(time.Minute); !ok(); k.w.turn(1) {
		if time.Now().After(end) {
			k.Fatalf("waited in vain: %s", what)
		}
	}
}

// pass lets time pass, tick by tick.
func (k *crank) pass(d time.Duration) {
	for end := k.now + d; k.now < end; k.w.turn(0) {
		k.now += tickLength
	}
}

func (k *crank) must2(_ int, err error) {
	k.Helper()
	k.must(err)
}

// cutFirst has books want nobody at their first real server, until restore is
// called.
func cutFirst(books *table.Service) (restore func()) {
	v := books.Spec()
	now := v.Clone()
	now.Cut, now.RealServers = []netip.AddrPort{v.RealServers[0].Addr}, nil
	books.Update(now)
	return func() { books.Update(v) }
}

// noDescriptors has the process get none until lift is called, or the test
// ends.
func noDescriptors(t *testing.T) (lift func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	lift = func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) }
	t.Cleanup(lift)
	return lift
}
