package neighbor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall" //nolint:depguard // os.File.SyscallConn returns a syscall.RawConn

	"golang.org/x/sys/unix"
)

// An arp asks by ARP.
type arp struct {
	link Link
	file *os.File
	raw  syscall.RawConn
}

func openARP(l Link) (asker, error) {
	// Protocol 0 receives nothing, until the socket is bound to the link.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	a := &arp{link: l, file: os.NewFile(uintptr(fd), "arp")}
	err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: l.Index, Protocol: NetworkOrder(unix.ETH_P_ARP)})
	if err == nil {
		a.raw, err = a.file.SyscallConn()
	}
	if err != nil {
		_ = a.file.Close()
		return nil, fmt.Errorf("bind a packet socket: %w", err)
	}
	return a, nil
}

func (a *arp) close() error { return a.file.Close() }

// ask sends a probe of RFC 5227: a request whose sender has no address, so that
// nobody learns anything from it.
func (a *arp) ask(addr netip.Addr) (err error) {
	to := &unix.SockaddrLinklayer{Ifindex: a.link.Index, Protocol: NetworkOrder(unix.ETH_P_ARP), Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	closed := a.raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), probe(addr, a.link.MAC), 0, to) })
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) {
		err = nil // lost on a link that is full, as it might be anywhere
	}
	return errors.Join(closed, err)
}

func (a *arp) hear(each func(netip.Addr, MAC)) {
	buf := make([]byte, 128)
	for failures := 0; ; {
		var n int
		var failed error
		closed := a.raw.Read(func(fd uintptr) bool {
			n, _, failed = unix.Recvfrom(int(fd), buf, 0)
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case closed != nil || failures == maxFailures:
			return
		case failed != nil:
			failures++
		default:
			if addr, mac, ok := sender(buf[:n]); ok {
				each(addr, mac)
			}
		}
	}
}

// arpHead is how an ARP packet of IPv4 on Ethernet begins; the operation follows.
const arpHead = "\x00\x01\x08\x00\x06\x04"

// The operations of ARP.
const (
	ARPRequest = 1
	ARPReply   = 2
)

const arpLength = 28

// ARP returns an ARP packet of IPv4 on Ethernet, without the header of Ethernet.
func ARP(op uint16, senderMAC MAC, sender netip.Addr, targetMAC MAC, target netip.Addr) []byte {
	p := binary.BigEndian.AppendUint16([]byte(arpHead), op)
	p = append(append(p, senderMAC[:]...), sender.AsSlice()...)
	return append(append(p, targetMAC[:]...), target.AsSlice()...)
}

func probe(addr netip.Addr, mac MAC) []byte {
	return ARP(ARPRequest, mac, netip.IPv4Unspecified(), MAC{}, addr)
}

// sender returns the address that the sender of an ARP packet says it has, with its
// MAC: in a reply, and in a request as well, which a machine without arp_announce
// sends in the name of the VIP.
func sender(p []byte) (addr netip.Addr, mac MAC, ok bool) {
	if len(p) < arpLength || string(p[:len(arpHead)]) != arpHead {
		return addr, mac, false
	}
	addr = netip.AddrFrom4([4]byte(p[14:18]))
	return addr, MAC(p[8:14]), !addr.IsUnspecified()
}

// NetworkOrder returns n in the byte order of the wire, as packet sockets want the
// type of a frame.
func NetworkOrder(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}
