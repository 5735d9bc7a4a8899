package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// Plain makes a link carry packets as they are on a wire: no segments above the
// MTU, no unfinished checksums. Call it for every link between clients and
// real servers, both ends of veth pairs and the ports of bridges. It makes
// bulk transfers dearer, for all subjects alike, so leave it out where only
// sockets are measured.
func Plain(in *netlab.Namespace, link string) error {
	err := inside(in, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, what := range []uint32{
			unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO, unix.ETHTOOL_STXCSUM,
		} {
			if err := turnOff(fd, link, what); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("switch the offloads of %s off: %w", Point{In: in, Link: link}, err)
	}
	return nil
}

// turnOff is one of ethtool's settings, a command with the value 0.
func turnOff(fd int, link string, what uint32) error {
	setting := struct{ cmd, value uint32 }{cmd: what}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // struct ifreq is 40 bytes
	}{data: unsafe.Pointer(&setting)}
	copy(request.name[:unix.IFNAMSIZ-1], link)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	// A driver that lacks a feature has it off.
	if errno != 0 && errno != unix.EOPNOTSUPP {
		return fmt.Errorf("ethtool command %#x: %w", what, errno)
	}
	return nil
}

// MAC returns the Ethernet address of a link.
func MAC(in *netlab.Namespace, link string) (addr net.HardwareAddr, err error) {
	err = inside(in, func() error {
		l, err := net.InterfaceByName(link)
		if err == nil {
			addr = l.HardwareAddr
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("address of %s: %w", Point{In: in, Link: link}, err)
	}
	return addr, nil
}

// NextHop returns the Ethernet address to which a namespace sends packets for
// an address: its own if it is on one of the links, else that of the gateway.
// It asks for it on the link, at most until ctx is done. The kernel knows it
// from then on: a director that has been asked for its next hops before a
// burst loses none of it while it looks for them.
func NextHop(ctx context.Context, in *netlab.Namespace, to netip.Addr) (mac net.HardwareAddr, err error) {
	for {
		err = inside(in, func() (err error) {
			mac, err = neighbour(to)
			return err
		})
		if err != nil || mac != nil {
			return mac, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("next hop towards %v: nobody answers: %w", to, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// neighbour looks up the next hop, or makes the kernel ask for it and returns
// nothing.
func neighbour(to netip.Addr) (net.HardwareAddr, error) {
	routes, err := netlink.RouteGet(to.AsSlice())
	if err != nil || len(routes) == 0 {
		return nil, fmt.Errorf("route to %v: %w", to, errors.Join(err, unix.ENETUNREACH))
	}
	hop := net.IP(to.AsSlice())
	if routes[0].Gw != nil {
		hop = routes[0].Gw
	}
	known, err := netlink.NeighList(routes[0].LinkIndex, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list neighbours: %w", err)
	}
	for _, n := range known {
		if n.IP.Equal(hop) && len(n.HardwareAddr) == len(mac{}) && !bytes.Equal(n.HardwareAddr, make([]byte, len(mac{}))) {
			return n.HardwareAddr, nil
		}
	}
	c, err := net.Dial("udp", netip.AddrPortFrom(to, 9).String())
	if err != nil {
		return nil, err
	}
	_, _ = c.Write([]byte{0})
	return nil, c.Close()
}
