package proxy_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/proxy"
)

// A faultFixture has a director, which the test and its processes live in, and a host
// beyond a link that clients are on.
type faultFixture struct {
	lab      *netlab.Lab
	director *netlab.Namespace
	outside  *netlab.Namespace
	vip      netip.Addr
}

func newFaultFixture(t *testing.T) *faultFixture {
	t.Helper()
	lab := netlab.Test(t)
	y := &faultFixture{lab: lab, vip: netip.MustParseAddr("10.1.0.1")}
	y.director = get[*netlab.Namespace](t)(lab.Here("director"))
	y.outside = get[*netlab.Namespace](t)(lab.Namespace("outside"))
	prefix := netip.MustParsePrefix
	err := lab.Connect(
		netlab.End{In: y.director, Link: "front", Addrs: []netip.Prefix{prefix("10.1.0.1/24")}},
		netlab.End{In: y.outside, Link: "eth0", Addrs: []netip.Prefix{prefix("10.1.0.2/24"), prefix("10.1.0.3/24")}},
	)
	// Packets to forged clients get lost outside.
	err = errors.Join(err, y.director.Route(prefix("10.64.0.0/10"), netip.MustParseAddr("10.1.0.2")))
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// A hundred thousand clients that begin to connect and are not heard of again
// cost the proxy nothing, and keep nobody else out.
func TestFaultHalfOpen(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	y, n := newFaultFixture(t), scaled(100_000, 10_000)
	r := newRemote(t, RemoteOptions{})
	v := serviceAt(dataplane.TCP, netip.AddrPortFrom(y.vip, 80), tcpServer(t, "127.0.0.1", echo))
	r.apply(v)
	ws, settle := watch(t, v.ID.Addr, 4, 2), unsettled(t, r, v)
	inTheEnd(t, "the background clients are in", func() bool { return ws.exchanges.Load() > 10 })
	before, exchanges := r.vitals(true).Memory, ws.exchanges.Load()

	for begun := 0; begun < n; begun += n / 10 {
		if err := y.outside.Do(func() error { return halfOpen(v.ID.Addr, begun, n/10) }); err != nil {
			t.Fatal(err)
		}
		c := get[net.Conn](t)(y.outside.Dial(t.Context(), "tcp", v.ID.Addr.String()))
		ws.exchange(c, newStream(uint64(begun)), 10_000)
		_ = c.Close()
	}
	inTheEnd(t, "others are served meanwhile", func() bool { return ws.exchanges.Load() > exchanges+20 })
	settle()
	if after := r.vitals(true).Memory; after > before+4<<20 {
		t.Errorf("%s after the flood, %s before", mib(after), mib(before))
	}
	t.Logf("%d half-open clients, %s cookies sent", n, netstat(t, "SyncookiesSent"))
	t.Log(ws.heard())
	wantEmpty(t, r)
}

// halfOpen sends n first segments to vip, each from an address of its own.
func halfOpen(vip netip.AddrPort, from, n int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Addr: vip.Addr().As4()}
	for i := from; i < from+n; i++ {
		src := netip.AddrFrom4([4]byte{10, 64 + byte(i>>16), byte(i >> 8), byte(i)})
		if err := unix.Sendto(fd, syn(src, vip, uint16(1024+i%60000)), 0, to); err != nil {
			return fmt.Errorf("send segment %d: %w", i, err)
		}
	}
	return nil
}

// syn is a first segment in a packet (RFC 791, RFC 9293). The kernel puts in
// length and checksum of the packet.
func syn(src netip.Addr, dst netip.AddrPort, port uint16) []byte {
	p := make([]byte, 40)
	p[0], p[8], p[9] = 0x45, 64, unix.IPPROTO_TCP
	copy(p[12:], src.AsSlice())
	copy(p[16:], dst.Addr().AsSlice())
	tcp := p[20:]
	binary.BigEndian.PutUint16(tcp, port)
	binary.BigEndian.PutUint16(tcp[2:], dst.Port())
	tcp[12], tcp[13] = 5<<4, 2 // length, SYN
	binary.BigEndian.PutUint16(tcp[14:], 65535)
	sum := uint32(unix.IPPROTO_TCP + len(tcp))
	for i := 12; i < len(p); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(tcp[16:], ^uint16(sum>>16+sum))
	return p
}

// netstat is a counter of the namespace's TCP.
func netstat(t *testing.T, name string) string {
	t.Helper()
	lines := strings.Split(string(get[[]byte](t)(os.ReadFile("/proc/self/net/netstat"))), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for j := range names {
			if names[j] == name {
				return values[j]
			}
		}
	}
	return "no"
}

// Clients that connect and say nothing, as many as there are descriptors for,
// cost little memory and no processor time, and keep nobody else out.
func TestFaultSilentClients(t *testing.T) {
	n := scaled(mostPairs(t), 500)
	r := newRemote(t, RemoteOptions{Limits: proxy.Limits{Connections: 2 * n}})
	silent, servers := newSocketPool(t, false), newSocketPool(t, false)
	v, quiet := tcpService(t, servers.listen()), tcpService(t, tcpServer(t, "127.0.0.1", echo))
	r.apply(v, quiet)
	ws, settle := watch(t, quiet.ID.Addr, 4, 2), unsettled(t, r, quiet, v)
	before := r.vitals(true).Memory
	silent.dial(v.ID.Addr, n)
	inTheEnd(t, "all have their real server", func() bool { return servers.size() == n })
	settle()
	t.Log(ws.heard())
	if each := (r.vitals(true).Memory - before) / uint64(n); each > 1024 && !raceDetector {
		t.Errorf("%d bytes for each of %d silent clients", each, n)
	} else {
		t.Logf("%d bytes for each of %d silent clients, resident %s", each, n, mib(r.resident()))
	}
	began := r.vitals(false).Busy
	time.Sleep(time.Second)
	if busy := r.vitals(false).Busy - began; busy > 100*time.Millisecond {
		t.Errorf("%v of processor time in a second of silence", busy)
	} else {
		t.Logf("%v of processor time in a second of silence", busy)
	}
	silent.scatter()
	servers.scatter()
	wantEmpty(t, r)
}

// mostPairs is how many connections there may be with all their four ends in
// two processes, as the test has them.
func mostPairs(t *testing.T) int {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	const ports = 25_000 // of those the kernel chooses from
	return min(int(l.Cur)/2-500, ports)
}

// Beyond the limit clients wait at no cost. Those within it are not touched, a
// service beside it has its own part, and there is room again when they go.
func TestFaultBeyondTheLimit(t *testing.T) {
	t.Parallel()
	const room = 200
	n := scaled(3000, 1000) // who waits is in the backlog
	r := newRemote(t, RemoteOptions{Limits: proxy.Limits{Connections: room}})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	quiet := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	r.apply(v, quiet)
	ws, settle := watch(t, v.ID.Addr, 10, 0), unsettled(t, r, v)
	inTheEnd(t, "the background clients are in", func() bool { return r.connections() == 10 })
	second := func() time.Duration {
		began := r.vitals(false).Busy
		time.Sleep(time.Second)
		return r.vitals(false).Busy - began
	}
	alone := second()
	before, socketPool := r.vitals(true).Memory, newSocketPool(t, false)
	socketPool.dial(v.ID.Addr, n)
	full := func() bool { return r.vitals(false).Load.Connections.Used == room*3/4 }
	inTheEnd(t, "the idle clients have all that is not for the other service", full)
	if after := r.vitals(true).Memory; after > before+4<<20 {
		t.Errorf("%s with the idle clients, %s before", mib(after), mib(before))
	}
	for range 50 {
		r.served(quiet.ID.Addr)
	}
	if busy := second(); busy > 2*alone+100*time.Millisecond {
		t.Errorf("%v of processor time in a second in which all wait, %v when nobody did", busy, alone)
	}
	if !full() {
		t.Errorf("%+v, want that nothing has changed", r.vitals(false).Load.Connections)
	}
	socketPool.scatter()
	inTheEnd(t, "there is room again", func() bool { return r.connections() == 10 })
	r.served(v.ID.Addr)
	settle()
	t.Log(ws.heard())
	wantEmpty(t, r)
}

// A client whose host is gone from one moment to the next says so to nobody.
// Its connection ends when nothing has moved for idletimeout, whether it was
// sending, receiving or idle, and its real server is told.
func TestFaultVanishedClients(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	y := newFaultFixture(t)
	r := newRemote(t, RemoteOptions{})
	greedy := newSocketPool(t, true)
	all := map[string]netip.AddrPort{
		"receiving": greedy.listen(),
		"sending":   tcpServer(t, "127.0.0.1", func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }),
		"idle":      tcpServer(t, "127.0.0.1", echo),
	}
	quiet := serviceAt(dataplane.TCP, netip.AddrPortFrom(y.vip, 80), all["idle"])
	r.apply(quiet)
	ws := watch(t, quiet.ID.Addr, 4, 2)
	port := uint16(81)
	var dialing sync.WaitGroup
	for what, server := range all {
		v := serviceAt(dataplane.TCP, netip.AddrPortFrom(y.vip, port), server)
		v.IdleTimeout = 5 * time.Second // in which all have to be there
		r.apply(v)
		port++
		for range 20 {
			dialing.Go(func() {
				c, err := y.outside.Dial(t.Context(), "tcp", v.ID.Addr.String())
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { _ = c.Close() })
				if what == "sending" {
					_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
					_, _ = c.Write(make([]byte, 1<<20))
				}
			})
		}
	}
	dialing.Wait()
	inTheEnd(t, "all are there", func() bool { return r.connections() >= 64 })
	if err := y.outside.DelAddr("eth0", netip.MustParsePrefix("10.1.0.2/24")); err != nil {
		t.Fatal(err)
	}
	inTheEnd(t, "those who vanished are given up", func() bool { return r.connections() <= 6 })
	t.Log(ws.heard())
	wantEmpty(t, r)
}
