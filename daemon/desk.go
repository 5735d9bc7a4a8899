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

// A desk takes the connections or datagrams of one service that nobody else
// can, and hands them to the sorry server.
type desk struct {
	asked, addr netip.AddrPort
	service     string
	responder   proxy.Responder
	log         *slog.Logger
	complain    sync.Once
	stop        func() error
	closed      chan struct{}
	wg          sync.WaitGroup

	real dataplane.RealServer // as the kernel has it; of whoever opened the desk

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once closed
	since time.Time             // when somebody last came or went
}

// shortage is how long a desk waits that got no connection for want of
// descriptors or memory.
const shortage = 100 * time.Millisecond

func newDesk(id dataplane.ServiceID, addr netip.AddrPort, r proxy.Responder, log *slog.Logger) *desk {
	return &desk{
		asked: addr, service: id.String(), responder: r, log: log,
		closed: make(chan struct{}), conns: map[net.Conn]struct{}{},
	}
}

// openDesk listens on addr, whether the host has that address by now or not.
func openDesk(ctx context.Context, id dataplane.ServiceID, addr netip.AddrPort, r proxy.Responder, log *slog.Logger) (*desk, error) {
	k := newDesk(id, addr, r, log)
	lc := net.ListenConfig{Control: freebind}
	if id.Protocol == dataplane.UDP {
		pc, err := lc.ListenPacket(ctx, "udp", addr.String())
		if err != nil {
			return nil, err
		}
		k.addr, k.stop = pc.LocalAddr().(*net.UDPAddr).AddrPort(), pc.Close
		k.wg.Go(func() { k.answer(pc) })
		return k, nil
	}
	ln, err := lc.Listen(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	k.addr, k.stop = ln.Addr().(*net.TCPAddr).AddrPort(), ln.Close
	k.wg.Go(func() { k.accept(ln) })
	return k, nil
}

func (k *desk) accept(ln net.Listener) {
	for {
		c, err := ln.Accept() // the sorry server itself bounds how many there are
		if err != nil {
			if k.over(err) {
				return
			}
			continue
		}
		if k.admit(c) {
			k.wg.Go(func() {
				k.responder.ServeConn(k.service, c)
				k.dismiss(c)
			})
		}
	}
}

// over reports whether err means that the desk is closed. It waits a while if
// not.
func (k *desk) over(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return true
	}
	k.complain.Do(func() { k.log.Error("sorry server cannot take connections", "service", k.service, "err", err) })
	select {
	case <-k.closed:
		return true
	case <-time.After(shortage):
		return false
	}
}

func (k *desk) admit(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conns == nil {
		_ = c.Close()
		return false
	}
	k.conns[c], k.since = struct{}{}, time.Now()
	return true
}

// idle reports whether nobody is at the desk, and since when that is so.
func (k *desk) idle() (since time.Time, nobody bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.since, len(k.conns) == 0
}

func (k *desk) dismiss(c net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.conns, c)
	k.since = time.Now()
}

func (k *desk) answer(pc net.PacketConn) {
	b := make([]byte, 64<<10)
	for {
		n, client, err := pc.ReadFrom(b)
		if err != nil {
			if k.over(err) {
				return
			}
			continue
		}
		if reply := k.responder.Answer(k.service, b[:n]); reply != nil {
			_, _ = pc.WriteTo(reply, client) // lost, as datagrams are
		}
	}
}

// close stops listening, ends what is under way and waits for it.
func (k *desk) close() {
	close(k.closed)
	_ = k.stop()
	k.mu.Lock()
	for c := range k.conns {
		_ = c.Close()
	}
	k.conns = nil
	k.mu.Unlock()
	k.wg.Wait()
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

// hostPrefixes returns the addresses of this host.
func hostPrefixes() ([]netip.Addr, error) {
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
