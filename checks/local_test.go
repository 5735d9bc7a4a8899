package checks_test

import (
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
)

// TestLocal has connect fail for want of a descriptor, and for want of a real
// server.
func TestLocal(t *testing.T) {
	target := checks.Target{Addr: netip.MustParseAddrPort("127.0.0.1:1")}
	if err := checks.Connect(t.Context(), target); err == nil || checks.Local(err) {
		t.Errorf("nobody listens: %v is taken for this host's fault", err)
	}
	err := withoutDescriptors(t, func() error { return checks.Connect(t.Context(), target) })
	if !checks.Local(err) {
		t.Errorf("without descriptors: %v is taken for the real server's fault", err)
	}
	err = withoutDescriptors(t, func() error {
		return checks.External(t.Context(), checks.Target{Command: "/bin/true"})
	})
	if !checks.Local(err) {
		t.Errorf("without descriptors: %v is taken for the real server's fault", err)
	}
}

// withoutDescriptors runs f while the process may open nothing more.
func withoutDescriptors(t *testing.T, f func() error) error {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	next := null.Fd()
	_ = null.Close()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = uint64(next)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}()
	return f()
}
