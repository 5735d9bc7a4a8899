package proxy_test

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/proxy"
)

// A proxy that has no descriptor left carries on what it has and waits for one
// without a busy engine. Clients that have come meanwhile are served when there
// is one again, and in the end none is missing.
func TestFaultNoDescriptors(t *testing.T) {
	t.Parallel()
	const files = 200
	r := newRemote(t, RemoteOptions{Files: files, Limits: proxy.Limits{Connections: 10 * files, Flows: files}})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo), tcpServer(t, "127.0.0.1", echo))
	echoes := udpEchoes(t) // before the port that nobody has is chosen
	u := serviceAt(dataplane.UDP, process.FreeAddr(t), echoes)
	r.apply(v, u)
	wantServed := func() { t.Helper(); r.served(v.ID.Addr) }
	wantServed()
	flow := newFlow(t, u.ID.Addr)
	flow.exchange()
	flow.exchange() // a client at work, whose flow makes no room for others
	before := r.files()

	ws := watch(t, v.ID.Addr, 4, 0)
	inTheEnd(t, "the background clients are in", func() bool { return r.connections() >= 4 })
	clients := newSocketPool(t, false)
	clients.dial(v.ID.Addr, 2*files)
	inTheEnd(t, "there is none left", func() bool { return r.vitals(false).Pauses > 0 && r.files() >= files-2 })
	flow.exchange()
	for range 20 {
		newFlow(t, u.ID.Addr).send() // drops for want of a socket do no harm
	}
	flow.exchange()
	t.Log(ws.heard())

	began := r.vitals(false)
	time.Sleep(time.Second)
	starved := r.vitals(false)
	if busy := starved.Busy - began.Busy; busy > 200*time.Millisecond {
		t.Errorf("%v of processor time in a second without descriptors", busy)
	} else {
		t.Logf("%v of processor time in a second without descriptors, %d pauses", busy, starved.Pauses)
	}

	clients.scatter()
	inTheEnd(t, "clients that nobody waits for are gone", func() bool { return r.connections() <= 1 })
	for range 50 {
		wantServed()
	}
	flow.exchange()
	inTheEnd(t, "descriptors are those of before", func() bool { return r.files() <= before })
}

// Clients that wait in the listeners' queues while there are no descriptors
// get all that they asked for when there are again.
func TestFaultDescriptorsReturn(t *testing.T) {
	t.Parallel()
	const files = 120
	r := newRemote(t, RemoteOptions{Files: files, Limits: proxy.Limits{Connections: 10 * files}})
	v := tcpService(t, tcpServer(t, "127.0.0.1", echo))
	r.apply(v)
	clients := newSocketPool(t, false)
	clients.dial(v.ID.Addr, files)
	inTheEnd(t, "there are no descriptors", func() bool { return r.vitals(false).Pauses > 0 })
	ws := watch(t, v.ID.Addr, 20, 0)
	time.Sleep(200 * time.Millisecond)
	clients.scatter()
	inTheEnd(t, "all background clients are served", func() bool { return ws.bytes.Load() > 0 && r.connections() >= 20 })
	t.Log(ws.heard())
}

// served has an echo through a connection of its own.
func (r *remote) served(vip netip.AddrPort) {
	r.t.Helper()
	c := get[net.Conn](r.t)(net.DialTimeout("tcp", vip.String(), patience))
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * patience))
	sent, got := newStream(7).take(1000), make([]byte, 1000)
	_, err := c.Write(sent)
	for n := 0; n < len(got) && err == nil; {
		var m int
		m, err = c.Read(got[n:])
		n += m
	}
	if err != nil || !bytes.Equal(sent, got) {
		r.t.Errorf("an echo: right %v, error %v", bytes.Equal(sent, got), err)
	}
}

// udpEchoes is a real server that sends each datagram back.
func udpEchoes(t testing.TB) netip.AddrPort {
	t.Helper()
	c := get[net.PacketConn](t)(net.ListenPacket("udp", "127.0.0.1:0"))
	done := make(chan struct{})
	t.Cleanup(func() { _ = c.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(b[:n], from)
		}
	}()
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

// A testFlow is a client of a UDP service.
type testFlow struct {
	net.Conn
	t testing.TB
	r *stream
}

func newFlow(t testing.TB, vip netip.AddrPort) *testFlow {
	t.Helper()
	c := get[net.Conn](t)(net.Dial("udp", vip.String()))
	t.Cleanup(func() { _ = c.Close() })
	return &testFlow{c, t, newStream(uint64(c.LocalAddr().(*net.UDPAddr).Port))}
}

func (f *testFlow) send() []byte {
	b := f.r.take(100)
	if _, err := f.Write(b); err != nil {
		f.t.Error(err)
	}
	return b
}

// exchange sends a datagram, again each second if need be, and waits until it
// comes back. Datagrams from before, which come late, are passed over.
func (f *testFlow) exchange() {
	f.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if f.returns(f.send(), time.Now().Add(time.Second)) {
			return
		}
	}
	f.t.Error("no datagram comes back")
}

// returns reports whether a datagram comes back in time.
func (f *testFlow) returns(sent []byte, end time.Time) bool {
	_ = f.SetReadDeadline(end)
	got := make([]byte, 2048)
	for {
		n, err := f.Read(got)
		switch {
		case err == nil && bytes.Equal(got[:n], sent):
			return true
		case err != nil && !time.Now().Before(end):
			return false
		case err != nil: // the host refuses for a moment
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// With many more clients than there are descriptors for, all of which come and
// go, and a real server that nobody reaches among the others, each client that
// has been taken in is served: the rest waits.
func TestFaultScarceDescriptors(t *testing.T) {
	t.Parallel()
	r := newRemote(t, RemoteOptions{Files: 30, Limits: proxy.Limits{Connections: 1000}})
	v := tcpService(t, dead(t), tcpServer(t, "127.0.0.1", echo), tcpServer(t, "127.0.0.1", echo))
	r.apply(v)
	ws := watch(t, v.ID.Addr, 0, 50)
	inTheEnd(t, "they come and go for a while", func() bool {
		return ws.exchanges.Load() > int64(scaled(300, 60)) && r.vitals(false).Pauses > 5
	})
	t.Log(ws.heard())
	st := r.vitals(false).Services[0]
	for i, s := range st.Servers {
		if n := s.Counters.Failures; i > 0 && n > 0 {
			t.Errorf("%d failures of %s, which is well", n, s.Addr)
		}
	}
	if n := st.Counters.Refused; n > 0 {
		t.Errorf("%d clients were refused", n)
	}
	wantEmpty(t, r)
}
