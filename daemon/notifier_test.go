package daemon

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A manager is a service manager: what it was told.
type manager struct {
	mu     sync.Mutex
	told   []string
	stuck  atomic.Bool // something is
	cancel context.CancelFunc
}

// newNotifierFixture returns a running notifier and the service manager that it tells.
func newNotifierFixture(t *testing.T) (*notifier, *manager) {
	m := &manager{}
	h := newNotifier(func(state string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.told = append(m.told, state)
	}, func(context.Context) error {
		if m.stuck.Load() {
			return errHangs
		}
		return nil
	})
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(t.Context())
	go h.run(ctx)
	return h, m
}

// want fails the test unless the manager has been told exactly this since, where
// a reload's time is left out.
func (m *manager) want(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, s := range m.told {
		m.told[i], _, _ = strings.Cut(s, "\nMONOTONIC_USEC=")
	}
	if !slices.Equal(m.told, want) {
		t.Errorf("%s: told %q, want %q", when, m.told, want)
	}
	m.told = nil
}

const (
	served = "STATUS=Every service is served"
	allSet = "READY=1\n" + served
	taken  = "not served as wanted: 1 of 1 virtual services; tcp 10.0.0.1:80 cannot be served: address already in use"
	more   = "EXTEND_TIMEOUT_USEC=30000000"
)

// READY=1 comes when everything is served and not before, however long that
// takes; meanwhile the service manager hears what is missing, and is asked for
// more time for as long as nothing is stuck.
func TestReadyIsToldWhenServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, m := newNotifierFixture(t)
		defer m.cancel()
		h.ready(taken)
		m.want(t, "at first")
		time.Sleep(statusDelay)
		m.want(t, "a moment later", "STATUS=Not ready: "+taken)
		time.Sleep(2 * extendEvery)
		m.want(t, "while it takes its time", more, more)
		m.stuck.Store(true)
		time.Sleep(2 * extendEvery)
		m.want(t, "while something is stuck")
		m.stuck.Store(false)
		h.ready("")
		m.want(t, "served", allSet)
		time.Sleep(5 * extendEvery)
		m.want(t, "afterwards")
	})
}

// TestStatusOfAMoment: a status of a moment is not told, a lasting one is, and READY=1
// is told once.
func TestStatusOfAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, m := newNotifierFixture(t)
		defer m.cancel()
		h.ready("")
		m.want(t, "served", allSet)
		h.ready(taken)
		time.Sleep(statusDelay / 2)
		h.ready("")
		time.Sleep(time.Minute)
		m.want(t, "a change of a moment")
		h.ready(taken)
		time.Sleep(time.Minute)
		m.want(t, "a change that stays", "STATUS=Not ready: "+taken)
		h.ready("")
		time.Sleep(time.Minute)
		m.want(t, "served again", served)
	})
}

// A reload is over for the service manager when everything is served again, and
// when all of several that overlap are.
func TestReloadIsToldWhenServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, m := newNotifierFixture(t)
		defer m.cancel()
		h.ready("")
		m.want(t, "served", allSet)
		done := h.reloading()
		m.want(t, "a reload begins", "RELOADING=1")
		h.ready(taken)
		done()
		time.Sleep(time.Minute)
		m.want(t, "it brings what cannot be served", "STATUS=Not ready: "+taken)
		h.ready("")
		m.want(t, "it can", allSet)
		first, second := h.reloading(), h.reloading()
		first()
		m.want(t, "one of two is over", "RELOADING=1", "RELOADING=1")
		second()
		m.want(t, "both are", allSet)
	})
}
