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
		t.Skip("this kernel has IPVS")
	case errors.Is(err, ErrNoRights):
		t.Skip("this kernel has IPVS and no business with us")
	}
	if !errors.Is(err, ErrNoIPVS) || !errors.Is(err, dataplane.ErrNotSupported) {
		t.Errorf("got %v, want ErrNoIPVS, which matches ErrNotSupported", err)
	}
}
