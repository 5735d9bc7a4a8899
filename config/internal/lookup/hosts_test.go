package lookup

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// staleHosts answers from what stood in the hosts file a while ago, as Go's
// resolver does, and fails otherwise.
type staleHosts map[string]netip.Addr

func (h staleHosts) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := h[host]; ok {
		return []netip.Addr{a}, nil
	}
	return nil, errors.New("no such host")
}

func TestHostsFileCountsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	write := func(text string) *Hosts {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return readHosts(path)
	}
	one, two := netip.MustParseAddr("127.77.1.1"), netip.MustParseAddr("127.77.1.2")
	q := Question{"ip4", "web1"}
	s := &Lookup{Resolver: staleHosts{}, Hosts: write("127.0.0.1 localhost\n127.77.1.1\tother WEB1. # old\n127.77.1.9 web1\n::1 web1\n")}
	first := s.answer(t.Context(), q)
	if first.Addr != one || !first.listed {
		t.Fatalf("found %+v, want %s", first, one)
	}
	if got := s.answer(t.Context(), Question{"ip6", "web1"}); got.Addr != netip.IPv6Loopback() {
		t.Errorf("found %+v, want ::1", got)
	}
	// From here on the resolver has what stood there before.
	s.Resolver, s.Before = staleHosts{"web1": one, "dns": two}, map[Question]Result{q: first}
	s.Hosts = write("127.77.1.2 web1\n")
	if got := s.answer(t.Context(), q); got.Addr != two || got.Err != nil {
		t.Errorf("changed: found %+v, want %s", got, two)
	}
	s.Hosts = write("127.0.0.1 localhost\n")
	if got := s.answer(t.Context(), q); got.Addr != one || !errors.Is(got.Err, errLeft) {
		t.Errorf("removed: found %+v, want the old address, and why", got)
	}
	if got := s.answer(t.Context(), Question{"ip4", "dns"}); got.Addr != two || got.Err != nil {
		t.Errorf("of a name server: found %+v, want %s", got, two)
	}
	old := time.Now().Add(-time.Hour)
	s.Hosts.changed = old
	if got := s.answer(t.Context(), q); got.Addr != one || got.Err != nil || got.listed {
		t.Errorf("an hour later: found %+v, want the address of the name server", got)
	}
}

func TestHostsFileThatIsNoneHasNoHosts(t *testing.T) {
	for _, path := range []string{t.TempDir(), "/nowhere/hosts"} {
		if a, ok := readHosts(path).find(Question{"ip4", "localhost"}); ok {
			t.Errorf("%s has %s", path, a)
		}
	}
}
