package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall" //nolint:depguard // net.ListenConfig.Control is declared with syscall.RawConn
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

// A sorryListener accepts the connections or datagrams of one service that no
// real server can take, and hands them to the sorry server.
type sorryListener struct {
	asked, addr netip.AddrPort
	service     string
	responder   proxy.Responder
	log         *slog.Logger
	logged      sync.Once
	stop        func() error
	closed      chan struct{}
	wg          sync.WaitGroup

	real dataplane.RealServer // as the kernel has it; set by sorryListeners

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once closed
	since time.Time             // of the latest change of conns
}

// acceptPause is how long a listener waits after it could not accept for want
// of descriptors or memory.
const acceptPause = 100 * time.Millisecond

func newSorryListener(id dataplane.ServiceID, addr netip.AddrPort, r proxy.Responder, log *slog.Logger) *sorryListener {
	return &sorryListener{
		asked: addr, service: id.String(), responder: r, log: log,
		closed: make(chan struct{}), conns: map[net.Conn]struct{}{},
	}
}

// openSorryListener listens on addr, which the host need not have yet.
func openSorryListener(ctx context.Context, id dataplane.ServiceID, addr netip.AddrPort, r proxy.Responder, log *slog.Logger) (*sorryListener, error) {
	l := newSorryListener(id, addr, r, log)
	lc := net.ListenConfig{Control: freebind}
	if id.Protocol == dataplane.UDP {
		pc, err := lc.ListenPacket(ctx, "udp", addr.String())
		if err != nil {
			return nil, err
		}
		l.addr, l.stop = pc.LocalAddr().(*net.UDPAddr).AddrPort(), pc.Close
		l.wg.Go(func() { l.answer(pc) })
		return l, nil
	}
	ln, err := lc.Listen(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	l.addr, l.stop = ln.Addr().(*net.TCPAddr).AddrPort(), ln.Close
	l.wg.Go(func() { l.accept(ln) })
	return l, nil
}

func (l *sorryListener) accept(ln net.Listener) {
	for {
		c, err := ln.Accept() // the sorry server itself bounds how many there are
		if err != nil {
			if l.closedBy(err) {
				return
			}
			continue
		}
		if l.add(c) {
			l.wg.Go(func() {
				l.responder.ServeConn(l.service, c)
				l.remove(c)
			})
		}
	}
}

// closedBy reports whether err means that the listener is closed. If not it
// returns after a pause.
func (l *sorryListener) closedBy(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return true
	}
	l.logged.Do(func() { l.log.Error("sorry server cannot take connections", "service", l.service, "err", err) })
	select {
	case <-l.closed:
		return true
	case <-time.After(acceptPause):
		return false
	}
}

func (l *sorryListener) add(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		_ = c.Close()
		return false
	}
	l.conns[c], l.since = struct{}{}, time.Now()
	return true
}

// idle reports whether there is no connection, and since when.
func (l *sorryListener) idle() (since time.Time, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, len(l.conns) == 0
}

func (l *sorryListener) remove(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	l.since = time.Now()
}

func (l *sorryListener) answer(pc net.PacketConn) {
	b := make([]byte, 64<<10)
	for {
		n, client, err := pc.ReadFrom(b)
		if err != nil {
			if l.closedBy(err) {
				return
			}
			continue
		}
		if reply := l.responder.Answer(l.service, b[:n]); reply != nil {
			_, _ = pc.WriteTo(reply, client) // lost, as datagrams are
		}
	}
}

// close stops listening, closes all connections and waits for their goroutines.
func (l *sorryListener) close() {
	close(l.closed)
	_ = l.stop()
	l.mu.Lock()
	for c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
	l.mu.Unlock()
	l.wg.Wait()
}

func freebind(network, _ string, c syscall.RawConn) error {
	level, option := unix.SOL_IP, unix.IP_FREEBIND
	if network == "tcp6" || network == "udp6" {
		level, option = unix.SOL_IPV6, unix.IPV6_FREEBIND
	}
	var err error
	if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }); e != nil {
		return e
	}
	return err
}

// hostAddrs returns the addresses of this host.
func hostAddrs() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr().Unmap())
		}
	}
	return all, nil
}
