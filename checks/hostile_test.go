package checks_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// An attack is what a check needs to be attacked by its real server: over is tcp,
// tls, udp, or several of them; begins is the start of an answer in its protocol,
// request what is asked for. apart says why there is no such real server.
type attack struct {
	over, begins, request, apart string
}

// attacks has each check: a new one needs an entry.
var attacks = map[string]attack{
	"agent":         {over: "tcp", begins: "maybe 7"},
	"connect":       {apart: "it reads nothing"},
	"dns":           {over: "tcp udp", begins: "\x00\x40", request: "/www.example.test"},
	"external":      {apart: "a program of the user, see TestExternal"},
	"external-perl": {apart: "a program of the user, see TestExternal"},
	"file":          {apart: "it reads a file of this host"},
	"ftp":           {over: "tcp", begins: "220-welcome\r\n", request: "/file"},
	"grpc":          {over: "tcp", begins: "\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
	"http":          {over: "tcp", begins: head200 + "\r\n"},
	"http_proxy":    {over: "tcp", begins: head200 + "X: ", request: "/http://www.example.test/"},
	"https":         {over: "tls", begins: head200 + "Transfer-Encoding: chunked\r\n\r\n1\r\n"},
	"imap":          {over: "tcp", begins: "* OK "},
	"imaps":         {over: "tls", begins: "* OK welcome\r\n"},
	"ldap":          {over: "tcp", begins: "\x30\x84\x00\x00\x40\x00\x02\x01\x01\x61"},
	"ldaps":         {over: "tls", begins: "\x30\x84\x00\x00\x40\x00\x02\x01\x01\x61"},
	"mysql":         {over: "tcp", begins: "\x00\x20\x00\x00\x0a11.4.2-MariaDB\x00", request: "/select 1"},
	"nntp":          {over: "tcp", begins: "4"},
	"none":          {apart: "it does nothing"},
	"oracle":        {over: "tcp", begins: "\x20\x00\x00\x00\x02\x00\x00\x00", request: "/select 1"},
	"pgsql":         {over: "tcp", begins: "N", request: "/select 1"},
	"ping":          {apart: "the kernel answers, see package icmp"},
	"pop":           {over: "tcp", begins: "+OK <1@example.test>\r\n+"},
	"pops":          {over: "tls", begins: "+OK "},
	"radius":        {over: "udp", begins: "\x02\x01\x00\x14"},
	"redis":         {over: "tcp", begins: "*100000\r\n$99999\r\n"},
	"simpletcp":     {over: "tcp udp", begins: "line\n"},
	"sip":           {over: "tcp udp", begins: "SIP/2.0 200 OK\r\nVia: "},
	"smtp":          {over: "tcp", begins: "220-welcome\r\n220-"},
	"submission":    {over: "tcp", begins: "220 welcome\r\n250-"},
	"tls":           {over: "tls", begins: "\x16\x03\x03\x40\x00\x02"},
	"udp":           {over: "udp", begins: "\xff", request: "/ff"},
}

func (a *attack) target(trust *checks.TLSOptions, over string) checks.Target {
	return checks.Target{
		TLS: trust, UDP: over == "udp", Request: cmp.Or(a.request, "/"), Receive: receive("nobody says that"),
		Login: "check", Passwd: "top-secret-7", Secret: "top-secret-7", Database: "db",
	}
}

// A behaviour is what a real server does with a connection, which is closed
// behind it. kinds are those of the failure, any if there are none.
type behaviour struct {
	name  string
	serve func(ctx context.Context, conn net.Conn, begins string)
	kinds []checks.Kind
}

func writes(s string) func(context.Context, net.Conn, string) {
	return func(ctx context.Context, conn net.Conn, _ string) {
		_, _ = io.WriteString(conn, s)
		<-ctx.Done()
	}
}

// zeros are many, compressed.
func zeros() string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, 64<<20))
	_ = w.Close()
	return b.String()
}

func behaviours() []behaviour {
	bomb := zeros()
	return []behaviour{
		{"is silent", func(ctx context.Context, _ net.Conn, _ string) { <-ctx.Done() }, []checks.Kind{checks.Timeout}},
		{"hangs midway", func(ctx context.Context, conn net.Conn, begins string) {
			_, _ = io.WriteString(conn, begins)
			<-ctx.Done()
		}, nil},
		{"drips", func(ctx context.Context, conn net.Conn, begins string) {
			for all := begins + strings.Repeat("\x00", 500); all != "" && ctx.Err() == nil; all = all[1:] {
				if _, err := io.WriteString(conn, all[:1]); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}, nil},
		{"never ends", func(_ context.Context, conn net.Conn, begins string) { endless(conn, begins+"\x00\x01") }, nil},
		{"repeats a byte", func(_ context.Context, conn net.Conn, begins string) {
			_, _ = io.WriteString(conn, begins)
			endless(conn, "x")
		}, nil},
		{"repeats lines", func(_ context.Context, conn net.Conn, _ string) { endless(conn, "500-top-secret-7 \x1b[2J\r\n") }, nil},
		{"resets", func(_ context.Context, conn net.Conn, begins string) {
			_, _ = io.WriteString(conn, begins)
			if c, ok := conn.(*tls.Conn); ok {
				conn = c.NetConn()
			}
			resets(conn.(*net.TCPConn))
		}, nil},
		{"closes midway", func(_ context.Context, conn net.Conn, begins string) { _, _ = io.WriteString(conn, begins) }, nil},
		{"closes at once", func(context.Context, net.Conn, string) {}, []checks.Kind{checks.Closed, checks.TLS}},
		{"says 10 MB", func(_ context.Context, conn net.Conn, begins string) {
			_, _ = io.WriteString(conn, begins)
			_, _ = conn.Write(make([]byte, 10<<20))
		}, nil},
		{"sends a bomb", writes(head200 + "Content-Encoding: gzip\r\n\r\n" + bomb), nil},
		{"controls the terminal", writes("\x1b]0;top-secret-7\a\x1b[2J\x00\x9b\u202e\r\n\r\n"), nil},
		{"leads elsewhere", writes("HTTP/1.1 302 Found\r\nLocation: http://check:top-secret-7@192.0.2.1:1/\x1b[2J\r\n\r\n"), nil},
		{"speaks SSH", writes("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), nil},
		{"speaks HTTP", writes("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), nil},
		{"speaks TLS", writes("\x15\x03\x01\x00\x02\x02\x46"), nil},
	}
}

// TestHostile: whatever a real server does, each check of it is over soon after its
// time and says, in one printable line and without a secret, that it failed.
func TestHostile(t *testing.T) {
	ours := newAuthority(t, "ours")
	config := &tls.Config{Certificates: []tls.Certificate{ours.good(t, "127.0.0.1")}}
	trust := &checks.TLSOptions{Verify: true, Roots: ours.pool()}
	all := behaviours()
	for _, name := range checks.Names() {
		a, known := attacks[name]
		if !known {
			t.Errorf("%s: no entry among the attacks", name)
		}
		for over := range strings.FieldsSeq(a.over) {
			t.Run(name+" "+over, func(t *testing.T) {
				for _, b := range all {
					if over == "tls" { // once within, and once in the place of TLS
						b.attempt(t, name, a.target(trust, over), encrypted(t, config, b, a.begins))
					}
					if over == "udp" {
						b.attempt(t, name, a.target(trust, over), datagrams(t, b, a.begins))
						continue
					}
					b.attempt(t, name, a.target(trust, over), server(t, "127.0.0.1", func(ctx context.Context, conn *net.TCPConn) {
						go func() { _, _ = io.Copy(io.Discard, conn) }() // ends with conn
						b.serve(ctx, conn, a.begins)
					}))
				}
			})
		}
	}
}

func (b *behaviour) attempt(t *testing.T, name string, target checks.Target, addr netip.AddrPort) {
	t.Helper()
	if !addr.IsValid() {
		return
	}
	target.Addr = addr
	kinds := b.kinds
	if name == "tls" && len(kinds) > 0 {
		kinds = append(slices.Clip(kinds), "") // the handshake is all that it wants
	}
	err := punctual(t, name, target, kinds...)
	if err == nil && name == "tls" {
		return
	}
	fit(t, name+" of one that "+b.name, err)
}

// encrypted is a server that behaves so behind a handshake.
func encrypted(t *testing.T, config *tls.Config, b behaviour, begins string) netip.AddrPort {
	return server(t, "127.0.0.1", func(ctx context.Context, conn *net.TCPConn) {
		secure := tls.Server(conn, config)
		if secure.HandshakeContext(ctx) == nil {
			go func() { _, _ = io.Copy(io.Discard, secure) }()
			b.serve(ctx, secure, begins)
			if b.name != "resets" {
				_ = secure.Close()
			}
		}
	})
}

// datagrams is a server that behaves so for each datagram: what it writes goes
// out in datagrams. Behaviours that are about the end of a connection it has not.
func datagrams(t *testing.T, b behaviour, begins string) netip.AddrPort {
	if strings.HasPrefix(b.name, "resets") || strings.HasPrefix(b.name, "closes") {
		return netip.AddrPort{}
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 2048)
		for {
			_, from, err := conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			wg.Go(func() { b.serve(ctx, &peer{UDPConn: conn, ctx: ctx, to: from, left: 2000}, begins) })
		}
	})
	t.Cleanup(func() { cancel(); _ = conn.Close(); wg.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// A peer writes so many datagrams to somebody, of what fits into each.
type peer struct {
	*net.UDPConn
	ctx  context.Context
	to   *net.UDPAddr
	left int
}

func (p *peer) Write(b []byte) (int, error) {
	if p.left--; p.left < 0 || p.ctx.Err() != nil {
		return 0, io.ErrClosedPipe
	}
	_, err := p.WriteToUDP(b[:min(len(b), 60<<10)], p.to)
	return len(b), err
}

// TestHostileCertificates: with verify, no certificate but a good one will do, and
// without it one has to be a certificate.
func TestHostileCertificates(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	broken := ours.good(t, "127.0.0.1")
	broken.Certificate = [][]byte{[]byte("\x30\x82\x01\x00top-secret-7\x1b[2J")}
	broken.Leaf = nil
	for what, certificate := range map[string]tls.Certificate{
		"expired": ours.issue(t, time.Now().Add(-72*time.Hour), time.Now().Add(-time.Hour), "127.0.0.1"),
		"foreign": others.good(t, "127.0.0.1"), "for another": ours.good(t, "192.0.2.1"), "broken": broken,
	} {
		config := &tls.Config{Certificates: []tls.Certificate{certificate}}
		for _, name := range checks.Names() {
			if attacks[name].over != "tls" {
				continue
			}
			addr := encrypted(t, config, behaviour{serve: func(ctx context.Context, _ net.Conn, _ string) { <-ctx.Done() }}, "")
			a := attacks[name]
			target := a.target(&checks.TLSOptions{Verify: what != "broken", Roots: ours.pool()}, "tls")
			target.Addr = addr
			err := punctual(t, name, target)
			fit(t, name+" of a certificate that is "+what, err)
			if checks.KindOf(err) != checks.TLS {
				t.Errorf("%s of a certificate that is %s: %v is %s", name, what, err, checks.KindOf(err))
			}
		}
	}
}

// TestHostileMemory: a check holds 2 MiB at the most of what never ends.
func TestHostileMemory(t *testing.T) {
	const n = 8
	ours := newAuthority(t, "ours")
	config := &tls.Config{Certificates: []tls.Certificate{ours.good(t, "127.0.0.1")}}
	for _, b := range behaviours()[3:6] {
		for _, name := range checks.Names() {
			a := attacks[name]
			var addr netip.AddrPort
			switch over, _, _ := strings.Cut(a.over, " "); over {
			case "tcp":
				addr = server(t, "127.0.0.1", func(ctx context.Context, conn *net.TCPConn) { b.serve(ctx, conn, a.begins) })
			case "tls":
				addr = encrypted(t, config, b, a.begins)
			default:
				continue // a datagram at a time
			}
			target := a.target(&checks.TLSOptions{Verify: true, Roots: ours.pool()}, "")
			target.Addr = addr
			before := live()
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { _ = run(t, name, brief, target) })
			}
			over := make(chan struct{})
			go func() { wg.Wait(); close(over) }()
			for under := true; under; { // at every moment, and not at one that they may have reached
				select {
				case <-over:
					under = false
				case <-time.After(brief / 10):
				}
				if held := live() - before; held > n<<21 {
					t.Errorf("%d checks %s of one that %s hold %d KiB", n, name, b.name, held>>10)
				}
			}
		}
	}
}

// live is how much of the heap is in use.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
