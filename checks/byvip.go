package checks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall" //nolint:depguard // net.Dialer.Control is declared with syscall.RawConn

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/dial"
	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// A Path is the way on which clients' packets get to a real server. It is
// comparable; the zero value is none.
type Path struct {
	Mark   uint32 // that takes packets of this host there
	VIP    netip.AddrPort
	Tunnel bool // packets are wrapped on the way
	Wrap   int  // in so many bytes
	Whole  bool // the check is made once more by it, not a connection alone
}

// ByVIP returns a check that is f, and if that succeeds a connection to the VIP by
// a path, over which f is made again if the path says so. If the second part
// fails, its error names what can be wrong with the real server. Where this host
// cannot take the answer, which says nothing about the real server, blind is
// called with the reason, and f alone counts.
//
// The connection is reset: IPVS sees one half of it, and would take a connection
// of the next minutes from the same port, by another path, for this one.
func ByVIP(f Func, p Path, blind func(error)) Func {
	return func(ctx context.Context, t Target) error {
		if err := f(ctx, t); err != nil {
			return err
		}
		t.Trace.Note(TraceNoted, "by the VIP %s, on the way of packets of clients", p.VIP)
		v := &via{path: p, server: t.Addr}
		err := attempt(ctx, "vip", p.VIP.String(), func() error {
			if p.Whole {
				return v.check(ctx, f, t)
			}
			return v.connect(ctx)
		})
		switch {
		case v.cannot != nil:
			blind(v.cannot)
			return nil
		case err == nil && t.Note != nil:
			t.Note.Warning = v.narrow()
		}
		return err
	}
}

// A via is how one check goes to the VIP of a real server.
type via struct {
	path   Path
	server netip.AddrPort

	mu     sync.Mutex // libraries connect in goroutines of theirs
	made   bool       // a connection
	size   segment    // of the first one
	err    error      // why there was none, in words
	cannot error      // why this host cannot tell
}

// connect makes a connection and nothing else.
func (v *via) connect(ctx context.Context) error {
	conn, err := v.dial(ctx)
	if err != nil {
		return err
	}
	_ = conn.Close()
	return nil
}

// check makes a check whose connections to the real server go to the VIP.
func (v *via) check(ctx context.Context, f Func, t Target) error {
	t.via, t.Note = v, nil
	err := f(ctx, t)
	v.mu.Lock()
	made, lost := v.made, v.err
	v.mu.Unlock()
	e, ok := errors.AsType[*Error](err)
	switch {
	case lost != nil:
		return lost
	case !made: // it needs no connection by TCP
		return v.connect(ctx)
	case !ok:
		return err
	case e.Kind == Timeout:
		return failure.Because(Timeout, "%s %w, although the check of %s succeeds: large packets may be lost on the way (MTU)", e.Check, e.Err, v.server)
	}
	return failure.Because(e.Kind, "%s %w, although the check of %s succeeds: another service answers on the VIP, or another virtual host", e.Check, e.Err, v.server)
}

// dial connects to the VIP, by a connection that ends with a reset.
func (v *via) dial(ctx context.Context) (net.Conn, error) {
	conn, err, cannot := v.path.dial(ctx, v.server)
	var size segment
	if conn != nil {
		size = segmentOf(conn, v.server)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cannot = errors.Join(v.cannot, cannot)
	if err = errors.Join(err, cannot); err != nil {
		v.err = err
		return nil, err
	}
	if !v.made {
		v.made, v.size = true, size
	}
	return conn, nil
}

// dial connects to the VIP. cannot is why this host cannot tell.
func (p Path) dial(ctx context.Context, server netip.AddrPort) (conn net.Conn, err, cannot error) {
	source, err := sourceFor(server)
	switch {
	case err != nil:
		return nil, nil, err
	case source == p.VIP.Addr():
		return nil, nil, fmt.Errorf("this host has no address but the VIP %s to reach %s from", source, server.Addr())
	}
	d := dial.Dialer
	d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	var refused error // to set an option
	d.Control = func(_, _ string, c syscall.RawConn) error {
		err := c.Control(func(fd uintptr) { refused = p.mark(int(fd)) })
		return errors.Join(err, refused)
	}
	conn, err = d.DialContext(ctx, "tcp", p.VIP.String())
	switch {
	case err == nil:
		_ = conn.(*net.TCPConn).SetLinger(0)
		return conn, nil, nil
	case refused != nil:
		return nil, nil, fmt.Errorf("mark a connection: %w (it needs CAP_NET_ADMIN)", refused)
	case failure.KindOf(err) == Resource:
		return nil, nil, err
	}
	if timedOut(err) {
		if cannot := answersDropped(p.VIP.Addr(), source); cannot != nil {
			return nil, nil, cannot
		}
	}
	return nil, p.fault(server, err), nil
}

// mark prepares a socket. The port is chosen when it connects: one that is taken
// for other connections will do.
func (p Path) mark(fd int) error {
	return errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(p.Mark)),
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
	)
}

// sourceFor returns the address from which this host reaches a server. Nothing is
// sent.
func sourceFor(server netip.AddrPort) (netip.Addr, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// answersDropped returns why the kernel drops packets from the VIP, which is an
// address of this host: IPv4 packets from one of its own addresses come in by a
// link with accept_local alone. It is nil if that is not so.
func answersDropped(vip, source netip.Addr) error {
	links, err := net.Interfaces()
	if err != nil || !vip.Is4() {
		return nil
	}
	link, local := "", false
	for i := range links {
		addrs, _ := links[i].Addrs()
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			local = local || prefix.Addr() == vip
			if prefix.Addr() == source {
				link = links[i].Name
			}
		}
	}
	if link == "" || !local || acceptsLocal("all") || acceptsLocal(link) {
		return nil
	}
	return fmt.Errorf("the kernel drops what real servers answer from the VIP %s, which this host has, too: sysctl -w net.ipv4.conf.%s.accept_local=1",
		vip, strings.ReplaceAll(link, ".", "/"))
}

func acceptsLocal(link string) bool {
	text, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + link + "/accept_local")
	return err == nil && strings.TrimSpace(string(text)) != "0"
}

func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// fault names what can be wrong when a server that answers at its own address does
// not do so by the path.
func (p Path) fault(server netip.AddrPort, err error) error {
	well := fmt.Sprintf("although the check of %s succeeds", server)
	kind := failure.KindOf(err)
	switch {
	case kind == Refused:
		return failure.Because(kind, "connection refused %s: the service there does not listen on the VIP", well)
	case kind == Unreachable:
		return failure.Because(kind, "%w, %s: the VIP is not on that real server, which passes packets for it on", failure.Bare(err), well)
	case !timedOut(err):
		return &failure.Cause{Err: err}
	case p.Tunnel:
		return failure.Because(Timeout, "nothing comes back %s: the VIP is not on that real server, it has no tunnel for these packets, or its rp_filter drops them", well)
	}
	return failure.Because(Timeout, "nothing comes back %s: the VIP is not on that real server, or its answers go another way", well)
}
