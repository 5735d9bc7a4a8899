package config_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
)

// countingHosts notes what is asked for.
type countingHosts struct {
	mu    sync.Mutex
	asked []string
}

func (h *countingHosts) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, network+" "+host)
	if network == "ip6" {
		return []netip.Addr{netip.MustParseAddr("2001:db8::7")}, nil
	}
	// The C library's resolver may hand out IPv4 addresses in IPv6 clothes.
	return []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.7"), netip.MustParseAddr("192.0.2.8")}, nil
}

func TestNamesResolvedOnce(t *testing.T) {
	h := &countingHosts{}
	c, err := config.Parse(t.Context(), "test.cf", []byte(`virtual=a:80
    real=b:80 gate
    real=b:81 masq
    fallback=a
virtual6=a:80
    real6=b:80 gate
`), config.Options{Resolver: h})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(h.asked)
	if diff := cmp.Diff([]string{"ip4 a", "ip4 b", "ip6 a", "ip6 b"}, h.asked); diff != "" {
		t.Errorf("look-ups (-want +got):\n%s", diff)
	}
	v := c.Virtuals[0]
	if v.ID.Addr != netip.MustParseAddrPort("192.0.2.7:80") || v.Reals[0].Addr != netip.MustParseAddrPort("192.0.2.7:80") || v.Reals[0].Name != "b" {
		t.Errorf("service %v, real %v named %q", v.ID, v.Reals[0].Addr, v.Reals[0].Name)
	}
}

// silentHosts never answers.
type silentHosts struct{}

func (silentHosts) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestSilentResolver: names that nobody answers for delay a load by a few
// seconds in all, however many they are.
func TestSilentResolver(t *testing.T) {
	for _, names := range []int{1, 40, 1000} {
		synctest.Test(t, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("virtual=192.0.2.80:80\n")
			for i := range names {
				fmt.Fprintf(&b, "    real=host%d:80 gate\n", i)
			}
			start := time.Now()
			c, err := config.Parse(t.Context(), "test.cf", []byte(b.String()), config.Options{Resolver: silentHosts{}})
			if err != nil || many(c.Waiting) != names || len(c.Virtuals) != 1 || len(c.Virtuals[0].Reals) != 0 {
				t.Errorf("%d names: %d wait, error %v; want all of them in a service without real servers", names, many(c.Waiting), err)
			}
			if took := time.Since(start); took != 4*time.Second {
				t.Errorf("%d names took %v, want 4s", names, took)
			}
		})
	}
}

// A later search takes more time than that at the start: the first name server of
// several may be dead.
func TestSlowResolver(t *testing.T) {
	for _, again := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, err := config.Parse(t.Context(), "test.cf", []byte("virtual=www.example.test:80\n"), config.Options{Resolver: slowHosts{}, Again: again})
			if err != nil || len(c.Virtuals) == 1 != again || len(c.Waiting) == 0 != again {
				t.Errorf("again %v: %d services, waiting for %v, error %v", again, len(c.Virtuals), c.Waiting, err)
			}
		})
	}
}

// slowHosts answers after ten seconds.
type slowHosts struct{}

func (slowHosts) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(10 * time.Second):
		return testHosts.LookupNetIP(ctx, network, host)
	}
}

func TestCheckAddr(t *testing.T) {
	c := mustParse(t, `virtual=192.0.2.80:8080
    service=http
    real=192.0.2.1 masq
    real=192.0.2.2:8081 masq
virtual=192.0.2.81:80
    checkport=9000
    real=192.0.2.1:80 gate
virtual=5
    real=192.0.2.1 gate
virtual6=[2001:db8::80]:443
    real6=[2001:db8::1] gate
`)
	var got []string
	for _, v := range c.Virtuals {
		for i := range v.Reals {
			got = append(got, v.CheckAddr(&v.Reals[i]).String())
		}
	}
	want := []string{"192.0.2.1:80", "192.0.2.2:8081", "192.0.2.1:9000", "192.0.2.1:0", "[2001:db8::1]:443"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
