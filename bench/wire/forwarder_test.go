package wire_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/wire"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A forwarder is a director made of packet sockets: slow, plain, and as wrong
// as a test wants it. It computes everything anew.
type forwarder struct {
	service     wire.Service
	choose      func(n int, client netip.Addr) int // for connection n
	front, back *port
	client      net.HardwareAddr

	// Faults of it, towards real servers.
	lose   int           // one packet in so many
	delay  time.Duration // of every packet
	tamper func(h *headers)
	spoil  func(frame []byte)

	flows   map[netip.AddrPort]int
	packets int
	ending  atomic.Bool
	work    sync.WaitGroup
}

// A port is a packet socket on a link of the forwarder.
type port struct {
	fd  int
	mac net.HardwareAddr
}

// headers are those of one packet.
type headers struct {
	eth     layers.Ethernet
	outer   gopacket.SerializableLayer
	ip4     *layers.IPv4
	ip6     *layers.IPv6
	tcp     *layers.TCP
	udp     *layers.UDP
	payload []byte
}

// forward starts a forwarder for the service on the site's director.
func (s *site) forward(t testing.TB, f *forwarder) {
	t.Helper()
	f.flows = map[netip.AddrPort]int{}
	var err error
	f.client, err = wire.MAC(s.client, "eth0")
	must(t, err)
	f.front, f.back = openPort(t, s.director, "eth0"), openPort(t, s.director, s.back)
	f.work.Go(func() { f.pump(f.front, f.towards, f.harm) })
	f.work.Go(func() { f.pump(f.back, f.backwards, (*headers).serialize) })
	t.Cleanup(func() {
		f.ending.Store(true)
		f.work.Wait()
		_ = unix.Close(f.front.fd)
		_ = unix.Close(f.back.fd)
	})
}

func openPort(t testing.TB, in *netlab.Namespace, link string) *port {
	t.Helper()
	p := &port{}
	must(t, in.Do(func() error {
		l, err := net.InterfaceByName(link)
		if err != nil {
			return err
		}
		p.mac = l.HardwareAddr
		if p.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		tv := unix.NsecToTimeval(int64(20 * time.Millisecond))
		for _, err := range []error{
			unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
			unix.SetsockoptInt(p.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
			unix.Bind(p.fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: l.Index}), // ETH_P_ALL
		} {
			if err != nil {
				return err
			}
		}
		return nil
	}))
	return p
}

// pump reads frames until the end and sends what becomes of each.
func (f *forwarder) pump(from *port, turn func(h *headers) (out *port), finish func(h *headers) []byte) {
	late := newLine(f.delay)
	defer late.close()
	buf := make([]byte, 64<<10)
	for !f.ending.Load() {
		n, sa, err := unix.Recvfrom(from.fd, buf, 0)
		if err != nil {
			continue // the time-out
		}
		if ll, ok := sa.(*unix.SockaddrLinklayer); !ok || ll.Pkttype != unix.PACKET_HOST {
			continue
		}
		h := parse(buf[:n])
		if h == nil {
			continue
		}
		if out := turn(h); out != nil {
			late.send(out, finish(h))
		}
	}
}

// harm returns a packet with what is wrong with it, nothing if it is lost.
func (f *forwarder) harm(h *headers) []byte {
	if f.packets++; f.lose > 0 && f.packets%f.lose == 0 {
		return nil
	}
	if f.tamper != nil {
		f.tamper(h)
	}
	made := h.serialize()
	if f.spoil != nil {
		f.spoil(made)
	}
	return made
}

func (f *forwarder) real(client netip.AddrPort) int {
	real, ok := f.flows[client]
	if !ok {
		real = f.choose(len(f.flows), client.Addr())
		f.flows[client] = real
	}
	return real
}

// towards changes a packet on its way to a real server.
func (f *forwarder) towards(h *headers) *port {
	if h.dst() != f.service.Addr {
		return nil
	}
	real := f.service.Reals[f.real(h.src())]
	h.eth.SrcMAC, h.eth.DstMAC = f.back.mac, real.MAC
	h.hop()
	switch f.service.Method {
	case wire.Masq:
		h.setDst(real.Addr)
	case wire.IPIP:
		h.wrap(real.Addr.Addr())
	}
	return f.back
}

// backwards changes a packet on its way to the client.
func (f *forwarder) backwards(h *headers) *port {
	if slices.ContainsFunc(f.service.Reals, func(r wire.Real) bool { return r.Addr == h.src() }) {
		h.setSrc(f.service.Addr)
	}
	if h.src() != f.service.Addr {
		return nil
	}
	h.eth.SrcMAC, h.eth.DstMAC = f.front.mac, f.client
	h.hop()
	return f.front
}

// A line sends frames, each as late as all others.
type line struct {
	delay time.Duration
	queue chan waiting
	done  chan struct{}
}

type waiting struct {
	due   time.Time
	out   *port
	frame []byte
}

func newLine(delay time.Duration) *line {
	l := &line{delay: delay, queue: make(chan waiting, 100_000), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for w := range l.queue {
			time.Sleep(time.Until(w.due))
			_, _ = unix.Write(w.out.fd, w.frame)
		}
	}()
	return l
}

func (l *line) send(out *port, frame []byte) {
	if frame == nil {
		return
	}
	l.queue <- waiting{time.Now().Add(l.delay), out, frame}
}

func (l *line) close() { close(l.queue); <-l.done }

func parse(frame []byte) *headers {
	p := gopacket.NewPacket(slices.Clone(frame), layers.LayerTypeEthernet, gopacket.NoCopy)
	h := &headers{}
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.Ethernet:
			h.eth = *l
		case *layers.IPv4:
			h.ip4 = l
		case *layers.IPv6:
			h.ip6 = l
		case *layers.TCP:
			h.tcp, h.payload = l, l.Payload
		case *layers.UDP:
			h.udp, h.payload = l, l.Payload
		}
	}
	if h.ip4 == nil && h.ip6 == nil || h.tcp == nil && h.udp == nil {
		return nil
	}
	return h
}

func (h *headers) ends() (src, dst netip.Addr, from, to uint16) {
	if h.ip4 != nil {
		src, dst = addr(h.ip4.SrcIP), addr(h.ip4.DstIP)
	} else {
		src, dst = addr(h.ip6.SrcIP), addr(h.ip6.DstIP)
	}
	if h.tcp != nil {
		return src, dst, uint16(h.tcp.SrcPort), uint16(h.tcp.DstPort)
	}
	return src, dst, uint16(h.udp.SrcPort), uint16(h.udp.DstPort)
}

func addr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a
}

func (h *headers) src() netip.AddrPort {
	src, _, from, _ := h.ends()
	return netip.AddrPortFrom(src, from)
}

func (h *headers) dst() netip.AddrPort {
	_, dst, _, to := h.ends()
	return netip.AddrPortFrom(dst, to)
}

func (h *headers) setSrc(a netip.AddrPort) {
	if h.ip4 != nil {
		h.ip4.SrcIP = a.Addr().AsSlice()
	} else {
		h.ip6.SrcIP = a.Addr().AsSlice()
	}
	if h.tcp != nil {
		h.tcp.SrcPort = layers.TCPPort(a.Port())
	} else {
		h.udp.SrcPort = layers.UDPPort(a.Port())
	}
}

func (h *headers) setDst(a netip.AddrPort) {
	if h.ip4 != nil {
		h.ip4.DstIP = a.Addr().AsSlice()
	} else {
		h.ip6.DstIP = a.Addr().AsSlice()
	}
	if h.tcp != nil {
		h.tcp.DstPort = layers.TCPPort(a.Port())
	} else {
		h.udp.DstPort = layers.UDPPort(a.Port())
	}
}

func (h *headers) hop() { h.addTTL(-1) }

func (h *headers) addTTL(n int) {
	if h.ip4 != nil {
		h.ip4.TTL += uint8(n)
	} else {
		h.ip6.HopLimit += uint8(n)
	}
}

// wrap puts the packet into another one from the director.
func (h *headers) wrap(to netip.Addr) {
	if h.ip4 != nil {
		h.outer = &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolIPv4, SrcIP: net.IP{10, 2, 0, 1}, DstIP: to.AsSlice()}
		return
	}
	h.outer = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolIPv6, SrcIP: net.ParseIP("fd00:2::1"), DstIP: to.AsSlice()}
}

func (h *headers) serialize() []byte {
	all := []gopacket.SerializableLayer{&h.eth}
	if h.outer != nil {
		all = append(all, h.outer)
	}
	var ip gopacket.NetworkLayer
	if h.ip4 != nil {
		ip, all = h.ip4, append(all, h.ip4)
	} else {
		ip, all = h.ip6, append(all, h.ip6)
	}
	if h.tcp != nil {
		_ = h.tcp.SetNetworkLayerForChecksum(ip)
		all = append(all, h.tcp)
	} else {
		_ = h.udp.SetNetworkLayerForChecksum(ip)
		all = append(all, h.udp)
	}
	buf := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, options, append(all, gopacket.Payload(h.payload))...); err != nil {
		panic(fmt.Sprint("a packet that was read cannot be written: ", err))
	}
	return buf.Bytes()
}

// inTurn chooses real servers in a fixed order for ever.
func inTurn(order ...int) func(int, netip.Addr) int {
	return func(n int, _ netip.Addr) int { return order[n%len(order)] }
}
