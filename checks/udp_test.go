package checks_test

import (
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/checks"
)

// TestUDP asks over real sockets: of a server that answers, one that does not,
// and a port on which nobody is.
func TestUDP(t *testing.T) {
	addr := udpServer(t, func(request string) []string {
		if request != "\x00ping" {
			return nil
		}
		return []string{"\xffpong"}
	})
	for _, c := range []struct {
		addr             netip.AddrPort
		request, receive string
		kind             checks.Kind
		words            string
	}{
		{addr, "/00 70696e67", `^\xffpong$`, "", ""},
		{addr, "/0070696e67", "", "", ""},
		{addr, "/0070696e67", "ping", checks.Mismatch, `reply "\xffpong" does not match "ping"`},
		{addr, "/text:ping", "", checks.Timeout, "timed out after 200ms while waiting for a reply"},
		{addr, "/ping", "", checks.Other, "request cannot be sent: it does not begin with text: and is not hexadecimal"},
		{refused(t), "/ff", "", checks.Refused, "connection refused"},
	} {
		target := checks.Target{Addr: c.addr, Request: c.request, Receive: optional(c.receive)}
		timeout := long
		if c.kind == checks.Timeout {
			timeout = brief
		}
		err := run(t, "udp", timeout, target)
		want(t, err, wrapped("udp ADDR: ", c.words), c.addr)
		if got := checks.KindOf(err); got != c.kind {
			t.Errorf("%v: %q, want %q", err, got, c.kind)
		}
	}
}
