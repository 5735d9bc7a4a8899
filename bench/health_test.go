package bench

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWardTellsWhatChecksSaw(t *testing.T) {
	var out strings.Builder
	w := newHealthServer(&out)
	s := httptest.NewServer(w)
	defer s.Close()
	check := func() int {
		r, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	got := []int{check(), check()}
	w.listen(strings.NewReader("nobody\n127.0.0.1\n"))
	got = append(got, check(), check())
	if diff := cmp.Diff([]int{http.StatusOK, http.StatusOK, http.StatusServiceUnavailable, http.StatusServiceUnavailable}, got); diff != "" {
		t.Error(diff)
	}
	var said []firstCheck
	for d := json.NewDecoder(strings.NewReader(out.String())); d.More(); {
		var s firstCheck
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		said = append(said, s)
	}
	here := netip.MustParseAddr("127.0.0.1")
	want := []firstCheck{{Addr: here}, {Addr: here, Unwell: true}}
	if diff := cmp.Diff(want, said, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}
