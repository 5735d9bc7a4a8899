package dataplanetest

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// maxDatagram is room for any datagram of the suite.
const maxDatagram = 1 << 16

// serveUDP starts the i-th real server behind a service on port. It answers
// every datagram with its name, a space and the datagram; "many N" gets N
// datagrams with its name, a space and their number from 0 on.
func (s *fixture) serveUDP(i int, port uint16) netip.AddrPort {
	s.Helper()
	host := s.lab.Servers[i%len(s.lab.Servers)]
	addr, listen := s.place(host, port)
	var pc *net.UDPConn
	err := host.do(func() (err error) {
		pc, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(listen))
		return err
	})
	s.check("start real server "+letter(i), err)
	_ = pc.SetReadBuffer(1 << 20)
	var work sync.WaitGroup
	work.Go(func() { answer(pc, letter(i)) })
	s.Cleanup(func() { _ = pc.Close(); work.Wait() })
	return addr
}

func answer(pc *net.UDPConn, name string) {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := pc.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		var replies int
		if _, err := fmt.Sscanf(string(buf[:n]), "many %d", &replies); err != nil {
			_, _ = pc.WriteToUDPAddrPort(append([]byte(name+" "), buf[:n]...), from)
		}
		for i := range replies {
			_, _ = pc.WriteToUDPAddrPort(fmt.Appendf(nil, "%s %d", name, i), from)
		}
	}
}

// A flow is a client's UDP socket that talks to one service.
type flow struct {
	*net.UDPConn
	buf []byte
}

// flow opens a socket for a client.
func (p *service) flow(client int) *flow {
	p.Helper()
	host := p.lab.Clients[client%len(p.lab.Clients)]
	local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(host.addr(p.six), 0))
	f := &flow{buf: make([]byte, maxDatagram)}
	err := host.do(func() (err error) {
		f.UDPConn, err = net.DialUDP("udp", local, net.UDPAddrFromAddrPort(p.vip))
		return err
	})
	p.check("open a socket", err)
	_ = f.SetReadBuffer(1 << 20)
	p.Cleanup(func() { _ = f.Close() })
	return f
}

// receive waits for a datagram and returns who sent it and the rest of it.
func (f *flow) receive() (name string, rest []byte, err error) {
	_ = f.SetReadDeadline(time.Now().Add(patience))
	n, err := f.Read(f.buf)
	if err != nil {
		return "", nil, err
	}
	first, rest, _ := bytes.Cut(f.buf[:n], []byte(" "))
	return string(first), rest, nil
}

// ask sends a datagram, checks that it comes back and returns who answered.
func (f *flow) ask(text string) (name string, err error) {
	if _, err := f.Write([]byte(text)); err != nil {
		return "", err
	}
	name, rest, err := f.receive()
	if err == nil && string(rest) != text {
		err = fmt.Errorf("sent %d bytes, got %d back from %s, or others", len(text), len(rest), name)
	}
	return name, err
}

// asks returns who answers the next n datagrams of the flow: "aaa".
func (p *service) asks(f *flow, n int) string {
	p.Helper()
	var b strings.Builder
	for i := range n {
		name, err := f.ask(fmt.Sprintf("question %d", i))
		p.check("ask "+p.want.ID.String(), err)
		b.WriteString(name)
	}
	return b.String()
}

// ownPorts reports whether real servers may listen on another port than the
// service.
func (s *fixture) ownPorts() bool { return s.lab.Forward == dataplane.Masq }
