package dataplane_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

func TestOpErrorSaysWhatOnWhatAndWhy(t *testing.T) {
	id := dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("10.0.0.1:80")}
	for _, c := range []struct {
		err  *dataplane.OpError
		want string
	}{
		{
			&dataplane.OpError{Op: "listen", Service: id, Err: unix.EADDRINUSE},
			"listen tcp 10.0.0.1:80: address already in use",
		},
		{
			&dataplane.OpError{Op: "add real server", Service: id, Server: netip.MustParseAddrPort("[fd00::2]:80"), Err: unix.EADDRINUSE},
			"add real server tcp 10.0.0.1:80 real server [fd00::2]:80: address already in use",
		},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		var op *dataplane.OpError
		if err := fmt.Errorf("apply: %w", c.err); !errors.As(err, &op) || !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%v does not lead to its cause", err)
		}
	}
}

func TestLimitIsNotSupported(t *testing.T) {
	var err error = &dataplane.Limit{Directive: "virtual", Reason: "firewall marks need IPVS"}
	if err.Error() != "firewall marks need IPVS" {
		t.Errorf("got %q, want the reason", err)
	}
	if !errors.Is(fmt.Errorf("check: %w", err), dataplane.ErrNotSupported) {
		t.Error("a limit does not match ErrNotSupported")
	}
	if errors.Is(err, dataplane.ErrClosed) {
		t.Error("a limit matches ErrClosed")
	}
}
