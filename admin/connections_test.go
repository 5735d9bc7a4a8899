package admin_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/dataplane"
)

// table yields all and then err, if there is one.
func table(all []dataplane.Connection, err error) iter.Seq2[dataplane.Connection, error] {
	return func(yield func(dataplane.Connection, error) bool) {
		for _, c := range all {
			if !yield(c, nil) {
				return
			}
		}
		if err != nil {
			yield(dataplane.Connection{}, err)
		}
	}
}

// telling serves connections on a control socket and returns a client of it.
func telling(t *testing.T, all iter.Seq2[dataplane.Connection, error]) *admin.Client {
	t.Helper()
	s := admin.New(admin.Options{
		Source: tells(calm()), Log: slog.New(slog.DiscardHandler), Connections: func(context.Context) iter.Seq2[dataplane.Connection, error] { return all },
	})
	path := filepath.Join(t.TempDir(), "s")
	if err := s.ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return admin.Dial(path)
}

func TestConnectionsAreFiltered(t *testing.T) {
	c := telling(t, table(fixture.Links, nil))
	for _, tt := range []struct {
		filter admin.ConnectionFilter
		want   []dataplane.Connection
	}{
		{admin.ConnectionFilter{}, fixture.Links},
		{admin.ConnectionFilter{Service: "10.2.0.100"}, fixture.Links[:3]},
		{admin.ConnectionFilter{Service: "10.2.0.100:80"}, fixture.Links[:2]},
		{admin.ConnectionFilter{Service: "udp 10.2.0.100:80"}, fixture.Links[1:2]},
		{admin.ConnectionFilter{Service: "tcp [fd00:2::100]:80"}, fixture.Links[3:]},
		{admin.ConnectionFilter{Service: "[fd00:2::100]"}, fixture.Links[3:]},
		{admin.ConnectionFilter{Real: "10.2.0.11"}, fixture.Links[:2]},
		{admin.ConnectionFilter{Real: "[fd00:2::11]:443"}, fixture.Links[2:3]},
		{admin.ConnectionFilter{Real: "10.2.0.11:8080", Service: "tcp 10.2.0.100"}, fixture.Links[:1]},
		{admin.ConnectionFilter{Real: "10.2.0.99"}, nil},
	} {
		var got []dataplane.Connection
		err := c.Connections(t.Context(), tt.filter, func(c dataplane.Connection) error {
			got = append(got, c)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		same := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
		if diff := cmp.Diff(tt.want, got, same); diff != "" {
			t.Errorf("%+v; -want +got:\n%s", tt.filter, diff)
		}
	}
}

func TestConnectionsThatCannotBeTold(t *testing.T) {
	ignore := func(dataplane.Connection) error { return nil }
	c := telling(t, table(fixture.Links, errors.New("the kernel is tired")))
	if err := c.Connections(t.Context(), admin.ConnectionFilter{}, ignore); err == nil || err.Error() != "the kernel is tired" {
		t.Errorf("error is %v", err)
	}
	for _, bad := range []admin.ConnectionFilter{{Service: "web"}, {Service: "icmp 10.0.0.1"}, {Service: "fwm 5"}, {Real: "10.0.0.1:http"}} {
		if bad.Check() == nil {
			t.Errorf("%+v is good", bad)
		}
		if err := c.Connections(t.Context(), bad, ignore); err == nil || err.Error() != "shunt answers: "+bad.Check().Error() {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	c = telling(t, table(nil, nil))
	if err := c.Connections(t.Context(), admin.ConnectionFilter{}, func(c dataplane.Connection) error {
		t.Errorf("there is %+v", c)
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestConnectionsWithoutEnd: the list is sent as it is read, and reading ends
// with whoever asked.
func TestConnectionsWithoutEnd(t *testing.T) {
	ended := make(chan struct{})
	c := telling(t, func(yield func(dataplane.Connection, error) bool) {
		defer close(ended)
		for yield(fixture.Links[0], nil) {
		}
	})
	enough, n := errors.New("enough"), 0
	err := c.Connections(t.Context(), admin.ConnectionFilter{}, func(dataplane.Connection) error {
		if n++; n == 10000 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("error is %v", err)
	}
	<-ended
}

// TestConnectionsCutShort: half a list is not taken for the whole.
func TestConnectionsCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"protocol":"TCP","client":"10.0.0.1:1","virtual":"10.0.0.2:2","server":"10.0.0.3:3","state":"NONE","expires_seconds":1}` + "\n"))
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	defer func() { _ = s.Close(); <-done }()
	n := 0
	err = admin.Dial(path).Connections(t.Context(), admin.ConnectionFilter{}, func(dataplane.Connection) error { n++; return nil })
	if n != 1 || err == nil || !strings.Contains(err.Error(), "ended before the list of connections did") {
		t.Errorf("%d connections and %v", n, err)
	}
}
