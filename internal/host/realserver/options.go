package realserver

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// Options describe the virtual services of a real server.
type Options struct {
	// VIPs are the addresses of the virtual services, IPv4 and IPv6.
	VIPs []netip.Addr
	// Forward is how the director reaches this machine: Gate or IPIP.
	Forward dataplane.Forward
	// Tunnel is how the director wraps packets, with IPIP. Its checksum does
	// not matter with GUE; with GRE the kernel's own links accept only packets
	// without a checksum.
	Tunnel dataplane.Tunnel
	// Link has the VIPs. "" means lo with Gate, tunl0 and ip6tnl0 with IPIP, gre0
	// and ip6gre0 with GRE. Other links are not made.
	Link string
}

// The links of the kernel's tunnel modules. They receive the tunnelled packets
// for any address of the machine.
const (
	tunnel4 = "tunl0"
	tunnel6 = "ip6tnl0"
	gre4    = "gre0"
	gre6    = "ip6gre0"
)

// A tunnelModule is the kernel module that makes a tunnel link.
type tunnelModule struct {
	name string
	kind string // of link
}

var tunnelModules = map[string]tunnelModule{
	tunnel4: {"ipip", "ipip"},
	tunnel6: {"ip6_tunnel", "ip6tnl"},
	gre4:    {"ip_gre", "gre"},
	gre6:    {"ip6_gre", "ip6gre"},
}

// Validate returns an error if no real server can be set up by o. Apply, Check and
// Remove do the same.
func (o *Options) Validate() error {
	var four, six bool
	for _, a := range o.VIPs {
		if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.Is4In6() || a.Zone() != "" {
			return fmt.Errorf("%v cannot be a VIP", a)
		}
		four, six = four || a.Is4(), six || a.Is6()
	}
	switch {
	case len(o.VIPs) == 0:
		return errors.New("there is no VIP")
	case o.Forward == dataplane.Masq:
		return errors.New("masq needs nothing here but a default route by way of the director")
	case o.Forward == dataplane.IPIP && o.Link != "" && four && six:
		return fmt.Errorf("IPv4 and IPv6 are tunnelled to different links: not both to %s", o.Link)
	}
	return o.checkTunnel()
}

func (o *Options) checkTunnel() error {
	switch t := o.Tunnel; {
	case o.Forward != dataplane.IPIP && t != (dataplane.Tunnel{}):
		return fmt.Errorf("%v has no tunnel: a tunnel type is for ipip", o.Forward)
	case t.Type == dataplane.TunnelGUE && t.Port == 0:
		return errors.New("a tunnel of type gue needs a port, the one that tunnelport names on the director")
	case t.Type != dataplane.TunnelGUE && t.Port != 0:
		return fmt.Errorf("a tunnel of type %v has no port", t.Type)
	}
	return nil
}

// gue returns the port that receives GUE for a VIP, and false if GUE is not used.
func (o *Options) gue(vip netip.Addr) (rtnl.GUEPort, bool) {
	return rtnl.GUEPort{Port: o.Tunnel.Port, IPv6: vip.Is6()}, o.Tunnel.Type == dataplane.TunnelGUE
}

// link returns the link that a VIP belongs on.
func (o *Options) link(vip netip.Addr) string {
	switch {
	case o.Link != "":
		return o.Link
	case o.Forward != dataplane.IPIP:
		return "lo"
	case o.Tunnel.Type == dataplane.TunnelGRE && vip.Is4():
		return gre4
	case o.Tunnel.Type == dataplane.TunnelGRE:
		return gre6
	case vip.Is4():
		return tunnel4
	}
	return tunnel6
}

// A setting is a setting of a link, or of all, with the acceptable values. The
// first value is the one to set.
type setting struct {
	link, key string
	good      []string
	why       string
}

// filter is the setting of reverse path filtering. The larger value of a link and
// of all counts, and 1 is strict, 2 loose: a tunnel link can be exempted without
// weakening the others (Documentation/networking/ip-sysctl).
const filter = "rp_filter"

func (s *setting) name() string { return sysctl.Link("ipv4", s.link, s.key) }

// settings returns the settings that a VIP needs. IPv6 needs none: the kernel does
// not answer on other links for a VIP on lo or a tunnel.
func (o *Options) settings(vip netip.Addr) []setting {
	if !vip.Is4() {
		return nil
	}
	var all []setting
	for _, l := range []string{"all", o.link(vip)} {
		all = append(all,
			setting{l, "arp_ignore", []string{"1", "2", "8"}, "this machine answers ARP for the VIP, which is the director's"},
			setting{l, "arp_announce", []string{"2"}, "this machine tells its neighbours that the VIP is here"},
		)
	}
	if o.Forward == dataplane.IPIP {
		all = append(all, setting{o.link(vip), filter, []string{"2", "0"}, "what comes out of the tunnel is dropped as spoofed"})
	}
	return all
}
