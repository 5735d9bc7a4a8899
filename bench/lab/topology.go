package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/realserver"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

func (l *Lab) connect() error {
	switch l.Topology {
	case Loopback:
		return l.loop()
	case Bridged:
		return l.bridge()
	}
	return l.route()
}

// loop adds both networks, whole, to lo.
func (l *Lab) loop() error {
	n, err := l.net.Namespace("loopback")
	if err != nil {
		return err
	}
	l.Client, l.Director, l.Front, l.Back = n, n, "lo", "lo"
	for range l.RealServers {
		l.Real = append(l.Real, n)
	}
	for _, p := range []netip.Prefix{front4, front6, back4, back6} {
		if err := ownAll(n, p); err != nil {
			return err
		}
	}
	// Without it an IPv6 address that only belongs to a network cannot be bound.
	return n.Sysctl("net.ipv6.ip_nonlocal_bind", "1")
}

// route puts the director between two networks.
func (l *Lab) route() error {
	if err := l.machines(); err != nil {
		return err
	}
	l.Front, l.Back = FrontLink, BackLink
	client := netlab.End{In: l.Client, Link: ClientLink, Addrs: host(clientOffset, front4, front6)}
	front := netlab.End{In: l.Director, Link: FrontLink, Addrs: host(directorOffset, front4, front6)}
	if err := l.net.Connect(client, front); err != nil {
		return err
	}
	ends := []netlab.End{{In: l.Director, Link: BackLink, Addrs: host(directorOffset, back4, back6)}}
	var err error
	if l.Switch, err = l.net.Bridge("servers", append(ends, l.realEnds(back4, back6)...)...); err != nil {
		return err
	}
	if err := l.directorVIP(); err != nil {
		return err
	}
	for _, n := range l.Real {
		if err := n.Gateway(nth(back4.Addr(), directorOffset), nth(back6.Addr(), directorOffset)); err != nil {
			return err
		}
	}
	// Clients reach real servers by way of the director's kernel alone where
	// nothing is measured but the network.
	return l.Client.Gateway(nth(front4.Addr(), directorOffset), nth(front6.Addr(), directorOffset))
}

// bridge puts all machines into one network.
func (l *Lab) bridge() error {
	if err := l.machines(); err != nil {
		return err
	}
	l.Front, l.Back = FrontLink, FrontLink
	ends := []netlab.End{
		{In: l.Client, Link: ClientLink, Addrs: host(clientOffset, front4, front6)},
		{In: l.Director, Link: FrontLink, Addrs: host(directorOffset, front4, front6)},
	}
	var err error
	if l.Switch, err = l.net.Bridge("network", append(ends, l.realEnds(front4, front6)...)...); err != nil {
		return err
	}
	if l.Forward != dataplane.Masq {
		if err := l.prepareReal(); err != nil {
			return err
		}
	}
	return l.directorVIP()
}

func (l *Lab) realEnds(networks ...netip.Prefix) []netlab.End {
	var ends []netlab.End
	for i, n := range l.Real {
		ends = append(ends, netlab.End{In: n, Link: RealLink, Addrs: host(realOffset+i, networks...)})
	}
	return ends
}

// directorVIP gives the director the VIPs and makes it a router, as a director
// for masq is.
func (l *Lab) directorVIP() error {
	for _, vip := range []netip.Addr{vip4, vip6} {
		if err := l.Director.AddVIP(l.Front, vip); err != nil {
			return err
		}
	}
	return l.Director.Forward()
}

// prepareReal configures the real servers as `shunt realserver apply` does.
func (l *Lab) prepareReal() error {
	dir, err := os.MkdirTemp("", "shunt-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i, n := range l.Real {
		h := realserver.Host{Settings: sysctl.System, Note: realserver.Note(filepath.Join(dir, fmt.Sprint(i)))}
		err := n.Do(func() error {
			_, err := h.Apply(realserver.Options{VIPs: []netip.Addr{l.VIP()}, Forward: l.Forward})
			return err
		})
		if err != nil {
			return fmt.Errorf("prepare real server %d for %v: %w", i+1, l.Forward, err)
		}
	}
	return nil
}

// addSources gives the client the addresses of Sources, and the other machines a
// route to them.
func (l *Lab) addSources() error {
	if l.Topology == Loopback {
		return nil
	}
	for _, p := range []netip.Prefix{sources4, sources6} {
		if err := ownAll(l.Client, p); err != nil {
			return err
		}
		via := pick(p.Addr().Is6(), nth(front4.Addr(), clientOffset), nth(front6.Addr(), clientOffset))
		neighbours := []*netlab.Namespace{l.Director}
		if l.Topology == Bridged {
			neighbours = append(neighbours, l.Real...)
		}
		for _, n := range neighbours {
			if err := n.Route(p, via); err != nil {
				return err
			}
		}
	}
	return l.Client.Sysctl("net.ipv6.ip_nonlocal_bind", "1")
}

// ownAll makes every address of p a local one.
func ownAll(n *netlab.Namespace, p netip.Prefix) error {
	err := n.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{
			LinkIndex: lo.Attrs().Index, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST,
			Dst: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())},
		})
	})
	if err != nil {
		return fmt.Errorf("make %v local to %s: %w", p, n, err)
	}
	return nil
}
