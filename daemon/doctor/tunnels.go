package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// probeTime is how long a router has to say that a packet is too large.
const probeTime = 300 * time.Millisecond

// tunnels says which tunnels are too narrow for the largest packets of clients.
func tunnels(ctx context.Context, s *Subject) []Finding {
	type tunnel struct {
		v *config.Virtual
		r *config.Real
	}
	var ways []tunnel
	said := map[netip.Addr]bool{}
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		for j := range v.Reals {
			r := &v.Reals[j]
			if !s.InKernel(v) || r.Forward != dataplane.IPIP || v.ID.Protocol == dataplane.FWMark || said[r.Addr.Addr()] {
				continue
			}
			said[r.Addr.Addr()] = true
			ways = append(ways, tunnel{v, r})
		}
	}
	found := make([][]Finding, len(ways))
	slots := make(chan struct{}, maxTrials)
	var wg sync.WaitGroup
	for i, way := range ways {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if f, ok := narrow(ctx, way.v, way.r); ok {
				found[i] = []Finding{f}
			}
		})
	}
	wg.Wait()
	return slices.Concat(found...)
}

// narrow compares the way to a real server with the link that clients come by.
func narrow(ctx context.Context, v *config.Virtual, r *config.Real) (Finding, bool) {
	vip, addr := v.ID.Addr.Addr(), r.Addr.Addr()
	front, err := linkMTU(vip)
	if errors.Is(err, errNoRoute) {
		return Finding{}, false // addresses tells of it
	}
	if err != nil {
		return unknown("the tunnel to "+addr.String(), err), true
	}
	back, err := pathMTU(ctx, addr)
	if errors.Is(err, errNoRoute) {
		return Finding{}, false // reals tells of it
	}
	if err != nil {
		return unknown("the tunnel to "+addr.String(), err), true
	}
	around := v.TunnelTo(r.Forward).Overhead(addr.Is6())
	if back-around >= front {
		return Finding{}, false
	}
	segment := back - around - 40
	if vip.Is6() {
		segment -= 20
	}
	return found(tunnelMTU, r.Pos, "packets of clients for %s have up to %d bytes, the tunnel to %s takes %d (%d less %d for the tunnel)",
		vip, front, addr, back-around, back, around).
		breaks("uploads of clients that no ICMP reaches hang; small requests work").
		mendThere("ip route change default via GATEWAY advmss %d; or an MTU of %d on the way to it", segment, front+around), true
}

var errNoRoute = errors.New("there is no route")

// linkMTU returns the MTU of the link that has an address, or by which it is
// reached.
func linkMTU(a netip.Addr) (int, error) {
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return 0, fmt.Errorf("list addresses: %w", err)
	}
	index := 0
	for _, have := range addrs {
		if have.IP.Equal(a.AsSlice()) {
			index = have.LinkIndex
		}
	}
	l, err := netlink.LinkByIndex(index)
	if index == 0 || err != nil || l.Attrs().Name == "lo" {
		return routeMTU(a)
	}
	return l.Attrs().MTU, nil
}

func routeMTU(a netip.Addr) (int, error) {
	routes, err := netlink.RouteGet(a.AsSlice())
	if err != nil || len(routes) == 0 || routes[0].Type == unix.RTN_LOCAL {
		return 0, errNoRoute
	}
	l, err := netlink.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return 0, err
	}
	if mtu := routes[0].MTU; mtu > 0 && mtu < l.Attrs().MTU {
		return mtu, nil
	}
	return l.Attrs().MTU, nil
}

// discard is the port that one packet of the full size goes to (RFC 863).
const discard = 9

// pathMTU sends a packet that no router may divide and as large as the link allows,
// and returns what the kernel knows of the path afterwards.
func pathMTU(ctx context.Context, a netip.Addr) (int, error) {
	mtu, err := routeMTU(a)
	if err != nil {
		return 0, err
	}
	family, level, discover, option, headers := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_MTU, 28
	var to unix.Sockaddr = &unix.SockaddrInet4{Port: discard, Addr: as4(a)}
	if a.Is6() {
		family, level, discover, option, headers = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_MTU, 48
		to = &unix.SockaddrInet6{Port: discard, Addr: a.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.SetsockoptInt(fd, level, discover, unix.IP_PMTUDISC_DO), unix.Connect(fd, to)); err != nil {
		return 0, err
	}
	// An error says that the path is known to be narrower, or comes of the answer.
	_, _ = unix.Write(fd, make([]byte, mtu-headers))
	select {
	case <-ctx.Done():
	case <-time.After(probeTime):
	}
	return unix.GetsockoptInt(fd, level, option)
}

func as4(a netip.Addr) (b [4]byte) {
	if a.Is4() || a.Is4In6() {
		b = a.Unmap().As4()
	}
	return b
}
