package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/time/rate"
)

// socketBuffer is asked for at the socket of a UDP service; the kernel gives
// what net.core.rmem_max allows.
const socketBuffer = 4 << 20

// udpFront receives the datagrams of one service and sends the replies.
type udpFront struct {
	service  *service
	conn     *net.UDPConn
	local    localAddr // nil unless the service is on a wildcard address
	complain rate.Sometimes
	stop     context.Context
	cancel   context.CancelFunc
	once     sync.Once
	done     chan struct{} // closed when nothing is received any more

	mu       sync.Mutex
	flows    map[flowKey]*flow
	refusing refusals
	draining bool
}

func listenFlows(ctx context.Context, s *service) (front, error) {
	addr := unmap(s.id.Addr)
	conn, err := listenUDP(ctx, addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(socketBuffer)
	f := &udpFront{
		service: s, conn: conn, complain: onceAMinute(),
		done: make(chan struct{}), flows: map[flowKey]*flow{},
	}
	if addr.Addr().IsUnspecified() {
		if f.local, err = newLocalAddr(conn, addr.Addr()); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	f.stop, f.cancel = context.WithCancel(s.plane.ctx)
	s.plane.work.Go(f.receive)
	return f, nil
}

func (f *udpFront) drain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.draining = true
}

// close ends the flows too: without the socket nothing can be answered.
func (f *udpFront) close() {
	f.once.Do(func() {
		f.cancel()
		_ = f.conn.Close()
	})
	<-f.done
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range f.flows {
		fl.end()
	}
	clear(f.flows)
}

func (f *udpFront) receive() {
	defer close(f.done)
	b, oob := make([]byte, bufferSize), make([]byte, 128)
	var pause backoff
	for {
		n, oobn, _, client, err := f.conn.ReadMsgUDPAddrPort(b, oob)
		switch {
		case err == nil:
			pause.reset()
			f.forward(flowKey{client: unmap(client), local: f.arrivedAt(oob[:oobn])}, b[:n])
		case errors.Is(err, net.ErrClosed):
			return
		default:
			f.complain.Do(func() {
				f.service.plane.log.Error("cannot receive datagrams", "service", f.service.name, "err", err)
			})
			pause.wait(f.stop)
		}
	}
}

// arrivedAt returns the address a datagram was sent to where the socket does
// not say it.
func (f *udpFront) arrivedAt(oob []byte) netip.Addr {
	if f.local == nil {
		return netip.Addr{}
	}
	return f.local.parse(oob)
}

// reply sends b to the client from the address that it has sent to.
func (f *udpFront) reply(k flowKey, b []byte) error {
	var oob []byte
	if f.local != nil && k.local.IsValid() {
		oob = f.local.marshal(k.local)
	}
	_, _, err := f.conn.WriteMsgUDPAddrPort(b, oob, k.client)
	return err
}

// A localAddr reads and writes the control messages that hold the director's
// own address: a socket on a wildcard address would otherwise answer from
// whichever the route prefers.
type localAddr interface {
	parse(oob []byte) netip.Addr
	marshal(src netip.Addr) []byte
}

func newLocalAddr(conn *net.UDPConn, addr netip.Addr) (localAddr, error) {
	if addr.Is4() {
		return localAddr4{}, ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst, true)
	}
	return localAddr6{}, ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst, true)
}

type localAddr4 struct{}

func (localAddr4) parse(oob []byte) netip.Addr {
	var cm ipv4.ControlMessage
	if err := cm.Parse(oob); err != nil {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(cm.Dst)
	return a.Unmap()
}

func (localAddr4) marshal(src netip.Addr) []byte {
	return (&ipv4.ControlMessage{Src: src.AsSlice()}).Marshal()
}

type localAddr6 struct{}

func (localAddr6) parse(oob []byte) netip.Addr {
	var cm ipv6.ControlMessage
	if err := cm.Parse(oob); err != nil {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(cm.Dst)
	return a
}

func (localAddr6) marshal(src netip.Addr) []byte {
	return (&ipv6.ControlMessage{Src: src.AsSlice()}).Marshal()
}
