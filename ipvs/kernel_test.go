//go:build kernel

package ipvs

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// namespace returns a new network namespace for t.
func namespace(t testing.TB, lab *netlab.Lab) *netlab.Namespace {
	t.Helper()
	n, err := lab.Namespace("director")
	must(t, err)
	return n
}

// openIn opens the table of a namespace.
func openIn(t testing.TB, n *netlab.Namespace) *kernel {
	t.Helper()
	var k *kernel
	must(t, n.Do(func() (err error) {
		k, err = openKernel(slog.New(slog.DiscardHandler))
		return err
	}))
	t.Cleanup(k.close)
	return k
}

// openTest opens the table of a new namespace.
func openTest(t testing.TB) *kernel {
	t.Helper()
	return openIn(t, namespace(t, netlab.Test(t)))
}

func TestKernelPassesTheCases(t *testing.T) {
	k := openTest(t)
	runCases(t, func(testing.TB) table { return k })
}

func TestKernelAfterClose(t *testing.T) {
	k := openTest(t)
	k.close()
	if _, err := k.read(web); err == nil || errors.Is(err, errStuck) {
		t.Errorf("read of a closed table: %v", err)
	}
	if err := k.addService(web, plain); err == nil {
		t.Error("a closed table takes a service")
	}
}
