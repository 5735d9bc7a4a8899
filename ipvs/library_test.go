package ipvs

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	moby "github.com/moby/ipvs"

	"github.com/shunt-lb/shunt/dataplane"
)

// TestNewWithoutIPVS runs where the machine's own kernel has none, which is
// where it matters.
func TestNewWithoutIPVS(t *testing.T) {
	d, err := New(Options{})
	switch {
	case err == nil:
		must(t, d.Close())
		t.Skip("this kernel has IPVS")
	case errors.Is(err, ErrNoRights):
		t.Skip("this kernel has IPVS and no business with us")
	}
	if !errors.Is(err, ErrNoIPVS) || !errors.Is(err, dataplane.ErrNotSupported) {
		t.Errorf("got %v, want ErrNoIPVS, which matches ErrNotSupported", err)
	}
}

// openedLibrary returns a library that gives up quickly.
func openedLibrary(t *testing.T) *library {
	l := &library{}
	must(t, l.open(slog.New(slog.DiscardHandler)))
	t.Cleanup(l.close)
	l.patience = time.Millisecond
	return l
}

func TestWatchdogBreaksOffWhatDoesNotReturn(t *testing.T) {
	l := openedLibrary(t)
	first := l.handle
	closed := errors.New("the handle was closed")
	err := l.call(func(h *moby.Handle) error {
		// A handle that is closed says so to every call.
		for {
			if _, err := h.GetServices(); err != nil {
				return closed
			}
		}
	})
	if !errors.Is(err, errStuck) {
		t.Errorf("a call that was broken off returns %v, want %v", err, errStuck)
	}
	l.patience = patience
	if err := l.call(func(h *moby.Handle) error {
		if h == first {
			t.Error("the closed handle is used again")
		}
		return closed
	}); !errors.Is(err, closed) {
		t.Errorf("the next call returns %v, want what it returned", err)
	}
}

func TestLibraryStaysInItsNamespace(t *testing.T) {
	l := openedLibrary(t)
	l.handle.Close()
	l.handle, l.home = nil, "net:[another]"
	if err := l.call(func(*moby.Handle) error { return nil }); err == nil {
		t.Error("the library opened a handle in another network namespace")
	}
}
