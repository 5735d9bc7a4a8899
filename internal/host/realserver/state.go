package realserver

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// A state is the present state of a machine.
type state struct {
	links map[string]link
	// settings of missing links are those that they will have.
	settings map[string]string
	gue      []rtnl.GUEPort
	fou      bool // the module for GUE is loaded
}

type link struct {
	up    bool
	arp   bool
	addrs []netip.Prefix
}

// read returns the state of the machine, as far as o is concerned.
func read(o *Options, d sysctl.Dir) (*state, error) {
	s := &state{links: map[string]link{}, settings: map[string]string{}}
	links, err := rtnl.Settled(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		addrs, err := rtnl.Settled(func() ([]netlink.Addr, error) { return netlink.AddrList(l, netlink.FAMILY_ALL) })
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", l.Attrs().Name, err)
		}
		flags := l.Attrs().RawFlags
		s.links[l.Attrs().Name] = link{
			up:    flags&unix.IFF_UP != 0,
			arp:   flags&(unix.IFF_NOARP|unix.IFF_LOOPBACK) == 0,
			addrs: prefixes(addrs),
		}
	}
	if o.Tunnel.Type == dataplane.TunnelGUE {
		if s.gue, s.fou, err = rtnl.GUEPorts(); err != nil {
			return nil, err
		}
	}
	for _, v := range o.VIPs {
		for _, want := range o.settings(v) {
			if s.settings[want.name()], err = want.read(d); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// read returns the value in force. For a missing link it returns the default,
// with which the link will begin.
func (s *setting) read(d sysctl.Dir) (string, error) {
	value, err := d.Get(s.name())
	if errors.Is(err, fs.ErrNotExist) {
		value, err = d.Get(sysctl.Link("ipv4", "default", s.key))
	}
	if err != nil || s.key != filter {
		return value, err
	}
	all, err := d.Get(sysctl.Link("ipv4", "all", s.key))
	return max(value, all), err
}

func prefixes(addrs []netlink.Addr) []netip.Prefix {
	var all []netip.Prefix
	for i := range addrs {
		all = append(all, rtnl.Prefix(&addrs[i]))
	}
	return all
}
