// Package enginetest is for tests of the engine's handlers: a worker that iterates
// when the test says so, and whose clock the test moves.
package enginetest

import (
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// Generous is when a test gives up on something that will not come any more.
const Generous = 10 * time.Minute

// A Harness is a worker that iterates when the test says so and whose clock the test
// moves.
type Harness struct {
	testing.TB
	Engine *engine.Engine
	Worker *engine.Worker
	Now    time.Duration
	Shut   func() // what the worker has, once
}

// New returns a harness. It calls setup with the engine before there is a worker.
func New(t testing.TB, setup func(*engine.Engine)) *Harness {
	t.Helper()
	k := &Harness{TB: t, Now: engine.TickLength / 2}
	k.Engine = engine.New(engine.Options{Workers: 1, Log: slog.New(slog.DiscardHandler), Clock: func() time.Duration { return k.Now }})
	t.Cleanup(func() { _ = k.Engine.Close() })
	setup(k.Engine)
	w, err := engine.NewWorker(k.Engine)
	k.Must(err)
	k.Worker, k.Shut = w, sync.OnceFunc(w.Shut)
	k.Cleanup(k.Shut)
	return k
}

// Must ends the test if there is an error.
func (k *Harness) Must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// Until iterates until ok is true.
func (k *Harness) Until(what string, ok func() bool) {
	k.Helper()
	for end := time.Now().Add(Generous); !ok(); k.Worker.Iterate(1) {
		if time.Now().After(end) {
			k.Fatalf("waited in vain: %s", what)
		}
	}
}

// Pass lets time pass, tick by tick.
func (k *Harness) Pass(d time.Duration) {
	for end := k.Now + d; k.Now < end; k.Worker.Iterate(0) {
		k.Now += engine.TickLength
	}
}

// Must2 is Must for what returns a number as well.
func (k *Harness) Must2(_ int, err error) {
	k.Helper()
	k.Must(err)
}

// CutFirst has books want nobody at their first real server, until restore is
// called.
func CutFirst(books *table.Service) (restore func()) {
	v := books.Spec()
	now := v.Clone()
	now.Cut, now.RealServers = []netip.AddrPort{v.RealServers[0].Addr}, nil
	books.Update(now)
	return func() { books.Update(v) }
}

// NoDescriptors leaves the process no descriptor until lift is called, or the
// test ends.
func NoDescriptors(t *testing.T) (lift func()) {
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
