//go:build !kernel

package ipvs

import (
	"errors"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
)

// TestNewWithoutIPVS runs where the machine's own kernel has none, which is
// where it matters.
func TestNewWithoutIPVS(t *testing.T) {
	d, err := New(Options{})
	switch {
	case err == nil:
		must(t, d.Close())
		return // this kernel has IPVS, which tests of its own are about
	case errors.Is(err, ErrNoRights):
		return // the same, but it is not for us
	}
	if !errors.Is(err, ErrNoIPVS) || !errors.Is(err, dataplane.ErrNotSupported) {
		t.Errorf("got %v, want ErrNoIPVS, which matches ErrNotSupported", err)
	}
}
