package dgram

import (
	"net/netip"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// TestRepliesAreDrained: the replies of a server from before it stopped listening
// reach the client, and count, whichever call reports the error.
func TestRepliesAreDrained(t *testing.T) {
	for _, version := range []int{0, 2} {
		for _, sends := range []int{1, 2, 3} {
			q := newFixture(t, "127.0.0.1", 10)
			s, other := q.socket("127.0.0.1"), q.socket("127.0.0.1")
			q.service.Books.Update(spec(addrOf(s), addrOf(other)))
			c := q.client()
			from := q.ask(c, s, "hello")
			q.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: engine.Longest, IdleTimeout: engine.Longest, ProxyProtocol: version}})
			for i := range sends {
				q.write(c, numbered(i, 10+i)) // before the answers, so that it comes first
			}
			q.burst(s, from, []int{50, 50, 20, 70})
			_ = s.Close()
			q.wantBurst(c, []int{50, 50, 20, 70})
			q.Until("the refusal is counted", func() bool { return q.service.Books.Status().Counters.Failures == 1 })
			q.Pass(2 * engine.TickLength)
			if got := q.service.Books.Status().Counters; got.OutPackets != 4 || got.OutBytes != 190 {
				t.Errorf("counted %+v, want four answers of 190 bytes", got)
			}
			if all, own := q.service.penalties.of(addrOf(c)); len(all) != 1 || len(own) != 1 {
				t.Errorf("%d servers are passed over, %d for this client; want one for it alone", len(all), len(own))
			}
		}
	}
}

// A server that refuses is found out too where the kernel cuts up no runs, and
// what is left of a run goes to another one, each datagram once.
func TestRefusalOfRuns(t *testing.T) {
	for _, version := range []int{0, 2} {
		for _, sent := range []bool{false, true} { // as one
			q := newFixture(t, "127.0.0.1", 10)
			dead, s := q.socket("127.0.0.1"), q.socket("127.0.0.1")
			q.service.Books.Update(spec(addrOf(dead), addrOf(s)))
			c := q.client()
			q.ask(c, dead, "hello")
			_ = dead.Close()
			f := q.h.flows.at(0)
			q.Must(refuseRuns(f.fd))
			f.single[client] = sent // as it is found out with the first run
			q.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: engine.Longest, IdleTimeout: engine.Longest, ProxyProtocol: version}})
			if sent {
				var all []byte
				for i := range 6 {
					all = append(all, numbered(i, 10)...)
				}
				q.writeRun(c, all, 10)
			} else {
				q.burst(c, netip.AddrPort{}, times(6, 10))
			}
			for i := 1; i < 6; i++ { // the first one has brought the news
				b, _ := q.read(s)
				if want := numbered(i, 10); len(b) < 10 || string(b[len(b)-10:]) != string(want) {
					t.Fatalf("as one %t, version %d: got %v, want %v", sent, version, b, want)
				}
			}
			if got := q.service.Books.Status().Counters; got.Failures != 1 || q.flows() != 1 {
				t.Errorf("%d failures and %d flows, want one each", got.Failures, q.flows())
			}
		}
	}
}

// With one-packet scheduling a run finds out that a server refuses for which
// there is something in the batch already.
func TestRefusalOfOnePacket(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	dead, s := q.socket("127.0.0.1"), q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(dead), addrOf(s)))
	q.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: engine.Longest, IdleTimeout: engine.Longest}, OnePacket: true})
	c := q.client()
	q.ask(c, dead, "0")
	q.ask(c, s, "1")
	_ = dead.Close()
	q.write(c, []byte("first"))
	q.write(c, []byte("second"))
	q.writeRun(c, []byte("aabbccdd"), 2) // the one that gets aa has gone
	want := map[string]bool{"first": true, "second": true, "bb": true, "cc": true, "dd": true}
	for range 5 {
		b, _ := q.read(s)
		if !want[string(b)] {
			t.Errorf("got %q, want each of the others once", b)
		}
		delete(want, string(b))
	}
}

// TestICMPErrors: an ICMP error about one datagram does not fail the next. Only an
// unreachable server ends the flow.
func TestICMPErrors(t *testing.T) {
	need.Root(t) // it has raw sockets
	for _, tt := range []struct {
		name string
		host string
		kind icmp.Type
		code int
		over bool
	}{
		{"too big", "127.0.0.1", ipv4.ICMPTypeDestinationUnreachable, 4, false},
		{"no such protocol", "127.0.0.1", ipv4.ICMPTypeDestinationUnreachable, 2, true},
		{"host unknown", "127.0.0.1", ipv4.ICMPTypeDestinationUnreachable, 7, true},
		{"host isolated", "127.0.0.1", ipv4.ICMPTypeDestinationUnreachable, 8, true},
		{"prohibited", "127.0.0.1", ipv4.ICMPTypeDestinationUnreachable, 13, true},
		{"parameter", "127.0.0.1", ipv4.ICMPTypeParameterProblem, 0, false},
		{"prohibited 6", "::1", ipv6.ICMPTypeDestinationUnreachable, 1, true},
		{"policy 6", "::1", ipv6.ICMPTypeDestinationUnreachable, 5, true},
		{"rejected 6", "::1", ipv6.ICMPTypeDestinationUnreachable, 6, true},
	} {
		for version := 0; version <= 2; version += 2 {
			for _, sizes := range [][]int{{10}, {20, 20}, {10, 20, 30}} {
				t.Run(tt.name, func(t *testing.T) {
					q := newFixture(t, tt.host, 10)
					s, other := q.socket(tt.host), q.socket(tt.host)
					q.service.Books.Update(spec(addrOf(s), addrOf(other)))
					c := q.client()
					from := q.ask(c, s, "hello")
					q.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: engine.Longest, IdleTimeout: engine.Longest, ProxyProtocol: version}})
					q.burst(c, netip.AddrPort{}, sizes) // its event is first
					q.tell(tt.kind, tt.code, from, addrOf(s))
					to := s
					if tt.over {
						to = other
					}
					for i, size := range sizes {
						b, _ := q.read(to)
						if want := numbered(i, size); len(b) < size || string(b[len(b)-size:]) != string(want) {
							t.Errorf("got %v, want %v", b, want)
						}
					}
				})
			}
		}
	}
}

// tell sends an ICMP message of a router about a datagram of a flow.
func (q *fixture) tell(kind icmp.Type, code int, from, to netip.AddrPort) {
	q.Helper()
	port := func(p uint16) []byte { return []byte{byte(p >> 8), byte(p)} }
	udp := append(append(port(from.Port()), port(to.Port())...), 0, 12, 0, 0)
	var about []byte
	if to.Addr().Is4() {
		h := ipv4.Header{Version: 4, Len: 20, TotalLen: 32, TTL: 64, Protocol: unix.IPPROTO_UDP, Src: from.Addr().AsSlice(), Dst: to.Addr().AsSlice()}
		about, _ = h.Marshal()
	} else {
		about = append([]byte{6 << 4, 0, 0, 0, 0, 12, unix.IPPROTO_UDP, 64}, append(from.Addr().AsSlice(), to.Addr().AsSlice()...)...)
	}
	b := append([]byte{0, byte(code), 0, 0, 0, 0, 5, 120}, append(append(about, udp...), 0, 0, 0, 0)...)
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	var at unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	switch k := kind.(type) {
	case ipv4.ICMPType:
		b[0] = byte(k)
		sum := uint32(0)
		for i := 0; i < len(b); i += 2 {
			sum += uint32(b[i])<<8 | uint32(b[i+1])
		}
		sum = sum>>16 + sum&0xffff
		sum += sum >> 16
		b[2], b[3] = byte(^sum>>8), byte(^sum)
	case ipv6.ICMPType: // the kernel puts in the checksum
		b[0] = byte(k)
		copy(b[4:8], []byte{0, 0, 0, 0})
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
		at = &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	q.Must(err)
	defer unix.Close(fd)
	q.Must(unix.Sendto(fd, b, 0, at))
}
