package icmp

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/net/icmp"
	"golang.org/x/sys/unix"
)

// receive hands out answers until the socket is closed.
func (s *socket) receive() {
	defer close(s.closed)
	packet := make([]byte, maxPacket)
	for {
		n, from, err := s.read(packet)
		if err != nil {
			s.fail(fmt.Errorf("receive from a socket for %s: %w", s.fam.name, err))
			return
		}
		s.take(packet[:n], from)
	}
}

func (s *socket) read(packet []byte) (n int, from netip.Addr, err error) {
	var peer unix.Sockaddr
	waited := s.raw.Read(func(fd uintptr) bool {
		n, peer, err = unix.Recvfrom(int(fd), packet, unix.MSG_DONTWAIT)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if waited != nil {
		return 0, from, waited
	}
	switch p := peer.(type) {
	case *unix.SockaddrInet4:
		from = netip.AddrFrom4(p.Addr)
	case *unix.SockaddrInet6:
		from = netip.AddrFrom16(p.Addr)
	}
	return n, from, err
}

// fail ends all requests under way and those to come.
func (s *socket) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
	for _, e := range s.waiting {
		e.end(err)
	}
}

// take finds out whose answer a packet is. Everything else that speaks ICMP
// on this machine comes by here too.
func (s *socket) take(packet []byte, from netip.Addr) {
	if s.fam.protocol == unix.IPPROTO_ICMP && !s.datagram {
		packet = afterIPv4(packet) // a raw socket has it, none of the others
	}
	m, err := icmp.ParseMessage(s.fam.protocol, packet)
	if err != nil {
		return
	}
	switch body := m.Body.(type) {
	case *icmp.Echo:
		if m.Type == s.fam.reply {
			s.answer(body, from)
		}
	case *icmp.DstUnreach:
		s.undeliverable(body.Data, Undeliverable(fmt.Sprintf("%s, says %s", s.fam.unreachable(m.Code), from)))
	case *icmp.TimeExceeded:
		s.undeliverable(body.Data, Undeliverable(fmt.Sprintf("on the way for too many hops, says %s", from)))
	}
}

// answer ends the request that body answers. Address and nonce have to be
// right as well: sequence numbers come again.
func (s *socket) answer(body *icmp.Echo, from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.waiting[uint16(body.Seq)]
	switch {
	case e == nil, from != e.dst, body.ID != s.id && !s.datagram:
	case len(body.Data) != pingData, binary.BigEndian.Uint64(body.Data) != e.nonce:
	default:
		e.end(nil)
	}
}

// undeliverable ends the request that datagram was sent with.
func (s *socket) undeliverable(datagram []byte, why error) {
	q, ok := s.fam.quoted(datagram)
	if !ok || q.id != uint16(s.id) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.waiting[q.seq]; e != nil && e.dst == q.dst {
		e.end(why)
	}
}

// end gives e its result, the first one.
func (e *echo) end(err error) {
	select {
	case e.result <- err:
	default:
	}
}
