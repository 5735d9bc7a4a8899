package bench

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHealthServerTellsOfFirstChecks(t *testing.T) {
	var out strings.Builder
	w := newHealthServer(time.Second, &out)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	check := func() int {
		go func() {
			if c, err := l.Accept(); err == nil {
				w.came(netip.MustParseAddr("127.0.0.1"))
				w.answer(c, netip.MustParseAddr("127.0.0.1"))
			}
		}()
		r, err := client.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	got := []int{check(), check()}
	w.listen(strings.NewReader("unwell nobody\nunwell 127.0.0.1\n"))
	got = append(got, check(), check())
	if diff := cmp.Diff([]int{http.StatusOK, http.StatusOK, http.StatusServiceUnavailable, http.StatusServiceUnavailable}, got); diff != "" {
		t.Error(diff)
	}
	var first []firstCheck
	for d := json.NewDecoder(strings.NewReader(out.String())); d.More(); {
		var s said
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		first = append(first, *s.First)
	}
	here := netip.MustParseAddr("127.0.0.1")
	want := []firstCheck{{Addr: here}, {Addr: here, Health: healthUnwell}}
	if diff := cmp.Diff(want, first, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestHealthServerMeasuresLateness: of checks of those that are well, against
// the interval.
func TestHealthServerMeasuresLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		w := newHealthServer(time.Second, &out)
		well, sick := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
		w.listen(strings.NewReader("unwell 127.0.0.2\n"))
		w.came(well) // before it is measured
		time.Sleep(5 * time.Second)
		w.listen(strings.NewReader("measure\n"))
		for _, pause := range []time.Duration{0, time.Second, 900 * time.Millisecond, 1500 * time.Millisecond} {
			time.Sleep(pause)
			w.came(well)
			w.came(sick)
		}
		w.listen(strings.NewReader("report\n"))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		var s said
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil || s.Lateness == nil {
			t.Fatalf("%v: %q", err, lines)
		}
		late := s.Lateness.Quantile(1).Round(time.Millisecond)
		if n := s.Lateness.Count(); n != 3 || late != 500*time.Millisecond || s.Lateness.Quantile(0.5) > time.Microsecond {
			t.Errorf("%d checks, half of them late by %v, the latest by %v", n, s.Lateness.Quantile(0.5), late)
		}
	})
}

// TestCoprime: each of n real servers fails once.
func TestCoprime(t *testing.T) {
	for n := 1; n < 500; n++ {
		seen := map[int]bool{}
		for k := range n {
			seen[k*coprime(n)%n] = true
		}
		if len(seen) != n {
			t.Errorf("of %d only %d fail", n, len(seen))
		}
	}
}
