package proxy_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// TestReasonsOfRefusals has a client refused for every reason, and finds it
// counted as that and as nothing else.
func TestReasonsOfRefusals(t *testing.T) {
	well := tcpServer(t, "127.0.0.1", echo)
	wellUDP, _ := udpServer(t, "127.0.0.1", same)
	one := func(set func(*dataplane.VirtualService), v dataplane.VirtualService) dataplane.VirtualService {
		set(&v)
		return v
	}
	nothing := func(*dataplane.VirtualService) {}
	quiescent := func(v *dataplane.VirtualService) { v.RealServers[0].Weight = 0 }
	narrow := func(v *dataplane.VirtualService) {
		v.RealServers[0].MaxConn = 1
		v.QueueTimeout = 10 * time.Millisecond
	}
	closed := func(v *dataplane.VirtualService) { narrow(v); v.MaxQueue = 1; v.QueueTimeout = patience }
	sorry := func(v *dataplane.VirtualService) {
		v.RealServers = []dataplane.RealServer{{Sorry: true, Weight: 1}}
	}
	for _, tt := range []struct {
		name    string
		make    func() dataplane.VirtualService // at a port that is free by then
		before  int                             // clients that are there already
		want    dataplane.Refusal
		exhaust bool
	}{
		{"no server", func() dataplane.VirtualService { return one(nothing, tcpService(t)) }, 0, dataplane.Unusable, false},
		{"weight 0", func() dataplane.VirtualService { return one(quiescent, tcpService(t, well)) }, 0, dataplane.Unusable, false},
		{"nothing to answer with", func() dataplane.VirtualService { return one(sorry, tcpService(t)) }, 0, dataplane.Unusable, false},
		{"nobody listens", func() dataplane.VirtualService { return one(nothing, tcpService(t, dead(t), dead(t))) }, 0, dataplane.Unreachable, false},
		{"waited in vain", func() dataplane.VirtualService { return one(narrow, tcpService(t, well)) }, 1, dataplane.Queued, false},
		{"no room to wait", func() dataplane.VirtualService { return one(closed, tcpService(t, well)) }, 2, dataplane.Queued, false},
		{"no server, UDP", func() dataplane.VirtualService { return one(nothing, udpService(t)) }, 0, dataplane.Unusable, false},
		{"weight 0, UDP", func() dataplane.VirtualService { return one(quiescent, udpService(t, wellUDP)) }, 0, dataplane.Unusable, false},
		{"full, UDP", func() dataplane.VirtualService { return one(narrow, udpService(t, wellUDP)) }, 1, dataplane.Queued, false},
		{"descriptors, UDP", func() dataplane.VirtualService { return one(nothing, udpService(t, wellUDP)) }, 0, dataplane.Bound, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, v := newPlane(t, proxy.Options{Workers: 1}), tt.make()
			apply(t, d, v)
			for n := range tt.before {
				come(t, v, 0)("x")
				wait.Until(t, "it is there", func() bool { return active(t, d)+status(t, d).Waiting > n })
			}
			say := come(t, v, 0)
			if tt.exhaust {
				exhaust(t)
			}
			say("x")
			wantReason(t, d, tt.want)
		})
	}
}

// come has a client, at a port if it is not 0, that may be reset before it
// knows that it is there.
func come(t *testing.T, v dataplane.VirtualService, port uint16) (say func(string)) {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	if port != 0 {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(v.ID.Addr.Addr(), port))
	}
	c, err := d.Dial(v.ID.Protocol.String(), v.ID.Addr.String())
	if errors.Is(err, unix.ECONNRESET) {
		return func(string) {}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return func(s string) { _, _ = c.Write([]byte(s)) }
}

func wantReason(t *testing.T, d *proxy.Dataplane, want dataplane.Refusal) {
	t.Helper()
	wait.Until(t, "a client is refused", func() bool { return status(t, d).Counters.Refused > 0 })
	got := status(t, d).Counters
	if got.Refusals[want] != got.Refused || got.Refusals.Sum() != got.Refused {
		t.Errorf("%d refused: %v, want all to be %v", got.Refused, got.Refusals, want)
	}
}

// TestRefusedForWantOfPorts has as many connections to a real server as the
// host has local ports.
func TestRefusedForWantOfPorts(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40003"), 0o644); err != nil {
		t.Fatal(err)
	}
	ln := get[net.Listener](t)(net.Listen("tcp", "127.0.0.1:9000"))
	serveTCP(t, ln, echo)
	v := serviceAt(dataplane.TCP, mustAddr("127.0.0.1:8000"), mustAddr("127.0.0.1:9000"))
	d := newPlane(t, proxy.Options{Workers: 1})
	apply(t, d, v)
	for n := range 5 {
		come(t, v, uint16(10000+n))
		wait.Until(t, "it is there or refused", func() bool {
			return active(t, d) > n || status(t, d).Counters.Refused > 0
		})
	}
	wantReason(t, d, dataplane.Portless)
}
