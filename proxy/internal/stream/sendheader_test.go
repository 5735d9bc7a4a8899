package stream

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/proxyheader"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

var anybody = screen.NewRules([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, nil)

// announcing is a fixture before a real server that is told who the client is.
func announcing(t testing.TB, version int) (*fixture, *net.TCPListener) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute, ProxyProtocol: version}})
	return r, l
}

// TestOneSegment: the real server gets the header and the client's bytes so far
// in one piece, and nothing waits for an acknowledgement.
func TestOneSegment(t *testing.T) {
	for version := 1; version <= 2; version++ {
		r, l := announcing(t, version)
		c := r.dial()
		_, err := c.Write([]byte("request"))
		r.Must(err)
		accepted := make(chan *net.TCPConn, 1)
		go func() {
			s, _ := l.AcceptTCP()
			accepted <- s
		}()
		r.Until("the connection stands", func() bool { return r.only().state == relaying })
		s := <-accepted
		defer s.Close()
		raw, err := s.SyscallConn()
		r.Must(err)
		var info *unix.TCPInfo
		r.Must(raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO) }))
		r.Must(err)
		if info.Data_segs_in != 1 {
			t.Errorf("version %d: %d segments, want one", version, info.Data_segs_in)
		}
		b := make([]byte, 1000)
		n, err := s.Read(b)
		r.Must(err)
		h, size, err := proxyheader.Parse(b[:n])
		if want := netip.MustParseAddrPort(c.LocalAddr().String()); err != nil || h.Source != want || h.Dest != r.vip {
			t.Errorf("version %d: %+v (%v) in %q, want %v to %v", version, h, err, b[:n], want, r.vip)
		}
		if got := string(b[size:n]); got != "request" {
			t.Errorf("version %d: %q behind the header", version, got)
		}
		if got := r.only().ways[client].bytes; got != 7 {
			t.Errorf("version %d: %d bytes are counted, want 7", version, got)
		}
	}
}

// TestHeaderIsNotCounted sends parts of a header at different times.
func TestHeaderIsNotCounted(t *testing.T) {
	c := &conn{headerLeft: 28}
	y := &c.ways[client]
	for _, sent := range []int{0, 10, 30, 5} {
		y.bytes += uint64(sent)
		c.discountHeader(sent)
	}
	if y.bytes != 17 || c.headerLeft != 0 {
		t.Errorf("%d bytes are counted and %d to come, want 17 and 0", y.bytes, c.headerLeft)
	}
}

// TestHeaderIsStashed: a header is stashed like other bytes when the real
// server's socket has no room for it.
func TestHeaderIsStashed(t *testing.T) {
	r, l := announcing(t, 1)
	c, s := r.pair(l)
	x := r.only()
	// As if it had just been reached, with no room.
	r.stuff(x)
	_, err := c.Write([]byte("request"))
	r.Must(err)
	x.sides[client].readable = true
	x.written = 0
	r.h.dialer.sendHeader(x, 1)
	held := x.ways[client].held
	if held == 0 || x.headerLeft == 0 {
		t.Fatal("all of it was taken")
	}
	r.Must(c.CloseWrite())
	got, err := r.receive(s)
	r.Must(err)
	got = got[bytes.LastIndex(got, []byte("PROXY")):]
	if want := "PROXY TCP4 127.0.0.1 127.0.0.1 "; !strings.HasPrefix(string(got), want) || !strings.HasSuffix(string(got), "\r\nrequest") {
		t.Errorf("got %q", got)
	}
	if x.headerLeft != 0 {
		t.Errorf("%d bytes of the header are still to come", x.headerLeft)
	}
	if n := r.fwd.stashLimit.taken.Load(); n != 0 {
		t.Errorf("%d stashes are taken when nothing is held any more", n)
	}
}

// TestHeaderWithoutStash: without a free stash only the header waits for room.
func TestHeaderWithoutStash(t *testing.T) {
	r, l := announcing(t, 1)
	r.noStash()
	c, s := r.pair(l)
	x := r.only()
	r.stuff(x)
	_, err := c.Write(bytes.Repeat([]byte("request "), 1000))
	r.Must(err)
	x.sides[client].readable = true
	r.h.dialer.sendHeader(x, 1)
	if held := x.ways[client].held; held == 0 || held > proxyheader.MaxWritten {
		t.Errorf("%d bytes are held, want those of a header", held)
	}
	r.Must(c.CloseWrite())
	if got, err := r.receive(s); err != nil || !bytes.HasSuffix(got, []byte("\r\n"+strings.Repeat("request ", 1000))) {
		t.Errorf("got %q (%v)", got[max(0, len(got)-100):], err)
	}
	if n := r.fwd.stashLimit.taken.Load(); n != 0 {
		t.Errorf("%d stashes are taken when nothing is held any more", n)
	}
}

// stuff leaves no room in the socket of a real server.
func (r *fixture) stuff(x *conn) {
	var b [1 << 16]byte
	for {
		if _, e := engine.Send(x.sides[server].fd, b[:]); e != 0 {
			return
		}
	}
}

// TestLongestHeader: bytes behind the longest possible header arrive, although
// nothing more comes.
func TestLongestHeader(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}, Trusted: anybody})
	c := r.dial()
	b := proxyheader.AppendLocal(nil)
	binary.BigEndian.PutUint16(b[14:], proxyheader.MaxLen-16)
	b = append(b, make([]byte, proxyheader.MaxLen-16)...)
	_, err := c.Write(append(b, "request"...))
	r.Must(err)
	r.Until("the real server has it", func() bool { return r.only().ways[client].bytes+r.service.Books.Status().Counters.InBytes == 7 })
	_ = l.Close()
}

// TestResetBehindTheHeader: a connection that a trusted proxy resets behind its
// header neither reaches a real server nor counts as one without a header.
func TestResetBehindTheHeader(t *testing.T) {
	for _, header := range []string{"PROXY UNKNOWN\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 3 4\r\n"} {
		_, addr := listen(t)
		r := newFixture(t, addr)
		r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}, Trusted: anybody})
		c := r.dial()
		r.Until("it is waited for", func() bool { return r.only().state == awaitingHeader })
		_, err := io.WriteString(c, header)
		r.Must(err)
		r.Must(c.SetLinger(0))
		r.Must(c.Close())
		r.Worker.Iterate(10)
		if !r.gone() {
			t.Errorf("%q: it is on its way to a real server", header)
		}
		r.Until("it is gone", r.gone)
		if n := r.service.Books.Status().Counters; n.MissingProxyHeader != 0 || n.Failures != 0 || r.fwd.limiter.Used() != 0 {
			t.Errorf("%q: %+v, %d places", header, n, r.fwd.limiter.Used())
		}
	}
}

// TestResetBeforeTheServerAnswers: a client that sends something and resets gets
// through to a real server neither with a header nor without.
func TestResetBeforeTheServerAnswers(t *testing.T) {
	r, l := announcing(t, 1)
	c := r.dial()
	_, err := c.Write([]byte("request"))
	r.Must(err)
	r.Until("it is on its way", func() bool { return r.only().state == connecting })
	r.Must(c.SetLinger(0))
	r.Must(c.Close())
	s, err := l.AcceptTCP()
	r.Must(err)
	defer s.Close()
	x := r.only()
	x.sides[server].writable = true
	r.h.dialer.established(x)
	if !r.gone() {
		t.Error("it is still there")
	}
	if b, err := r.receive(s); len(b) > 0 {
		t.Errorf("the real server got %q (%v)", b, err)
	}
	if n := r.fwd.limiter.Used(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// TestWaitingEnds: a connection that waits for a PROXY header ends in every
// possible way, and nothing of it is left.
func TestWaitingEnds(t *testing.T) {
	ends := map[string]func(r *fixture, c *net.TCPConn){
		"time":       func(r *fixture, _ *net.TCPConn) { r.Pass(2 * time.Second) },
		"end":        func(r *fixture, c *net.TCPConn) { r.Must(c.CloseWrite()) },
		"reset":      func(r *fixture, c *net.TCPConn) { r.Must(c.SetLinger(0)); r.Must(c.Close()) },
		"gibberish":  func(r *fixture, c *net.TCPConn) { _, _ = c.Write([]byte("EHLO")) },
		"half a one": func(r *fixture, c *net.TCPConn) { _, _ = c.Write([]byte("PROXY TCP4")); r.Must(c.CloseWrite()) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			_, addr := listen(t)
			r := newFixture(t, addr)
			r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}, Trusted: anybody})
			c := r.dial()
			r.Until("it is waited for", func() bool { return r.only().state == awaitingHeader })
			if n := r.fwd.limiter.Used(); n != 1 {
				t.Errorf("%d places are taken, want one", n)
			}
			end(r, c)
			r.Until("it is gone", r.gone)
			n := r.service.Books.Status().Counters
			if r.fwd.limiter.Used() != 0 || n.MissingProxyHeader != 1 || n.Refused != 0 || len(r.h.named) != 0 {
				t.Errorf("%d places, %+v, %d named", r.fwd.limiter.Used(), n, len(r.h.named))
			}
		})
	}
}

// TestHeaderTimeoutIsForTheWholeHeader: a client that sends a byte now and then is
// disconnected when the time is over.
func TestHeaderTimeoutIsForTheWholeHeader(t *testing.T) {
	_, addr := listen(t)
	r := newFixture(t, addr)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}, Trusted: anybody})
	c := r.dial()
	r.Until("it is waited for", func() bool { return r.only().state == awaitingHeader })
	for _, b := range []byte("PROXY UNKNOWN a b c") {
		if r.gone() {
			break
		}
		_, err := c.Write([]byte{b})
		r.Must(err)
		r.Pass(100 * time.Millisecond)
	}
	if !r.gone() {
		t.Error("it is still waited for")
	}
	r.wantReset("trusted proxy", c)
}

// TestNamesAreForgotten has nothing left of whom trusted proxies have named.
func TestNamesAreForgotten(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}, Trusted: anybody})
	c := r.dial()
	_, err := io.WriteString(c, "PROXY TCP4 192.0.2.1 192.0.2.2 3 4\r\nrequest")
	r.Must(err)
	r.Until("the connection stands", func() bool { return r.only().state == relaying })
	if from, ok := r.h.clientOf(r.only()); !ok || from != netip.MustParseAddrPort("192.0.2.1:3") {
		t.Errorf("the client is %v", from)
	}
	s, err := l.AcceptTCP()
	r.Must(err)
	r.Must(c.CloseWrite())
	if b, err := r.receive(s); string(b) != "request" || err != nil {
		t.Errorf("the real server got %q (%v)", b, err)
	}
	r.Must(s.Close())
	r.Until("it is gone", r.gone)
	if len(r.h.named) != 0 {
		t.Errorf("%v is left", r.h.named)
	}
}

// TestHeadersAllocateNothing: a connection with a header to a real server
// allocates nothing.
func TestHeadersAllocateNothing(t *testing.T) {
	b := make([]byte, 1000)
	r, l := announcing(t, 2)
	_, s := r.pair(l)
	x := r.only()
	if n := testing.AllocsPerRun(100, func() { r.h.dialer.sendHeader(x, 2); _, _ = s.Read(b) }); n > 0 {
		t.Errorf("%v allocations for a connection", n)
	}
}
