package ipvs

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	moby "github.com/moby/ipvs"
)

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
