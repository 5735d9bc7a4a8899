package realserver

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
)

// have makes a state of words: "lo up 10.0.0.100/32", "tunl0 down",
// "all.arp_ignore=1", "gue 6080", "gue6 6080", "gue" for the module alone.
// Other settings are 0.
func have(o *Options, words ...string) *state {
	s := &state{links: map[string]link{"lo": {up: true, addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}}}, settings: map[string]string{}}
	for _, v := range o.VIPs {
		for _, want := range o.settings(v) {
			s.settings[want.name()] = "0"
		}
	}
	for _, w := range words {
		if port, ok := strings.CutPrefix(w, "gue"); ok {
			g := rtnl.GUEPort{IPv6: strings.HasPrefix(port, "6")}
			n, _ := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(port, "6")), 10, 16)
			g.Port = uint16(n)
			s.fou = true
			if n > 0 {
				s.gue = append(s.gue, g)
			}
			continue
		}
		if name, value, ok := strings.Cut(w, "="); ok {
			s.settings["net.ipv4.conf."+name] = value
			continue
		}
		f := strings.Fields(w)
		l := s.links[f[0]]
		l.up, l.arp = f[1] == "up", strings.HasPrefix(f[0], "eth")
		for _, a := range f[2:] {
			l.addrs = append(l.addrs, netip.MustParsePrefix(a))
		}
		s.links[f[0]] = l
	}
	return s
}

func vips(text string) []netip.Addr {
	var all []netip.Addr
	for a := range strings.FieldsSeq(text) {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

func commands(steps []Step) []string {
	all := []string{}
	for _, s := range steps {
		all = append(all, s.Command())
	}
	return all
}

const (
	quiet = "sysctl -w net.ipv4.conf.all.arp_ignore=1|sysctl -w net.ipv4.conf.all.arp_announce=2"
	gate4 = quiet + "|sysctl -w net.ipv4.conf.lo.arp_ignore=1|sysctl -w net.ipv4.conf.lo.arp_announce=2"
	tun4  = quiet + "|sysctl -w net.ipv4.conf.tunl0.arp_ignore=1|sysctl -w net.ipv4.conf.tunl0.arp_announce=2"
)

var quietWords = []string{"all.arp_ignore=1", "all.arp_announce=2", "lo.arp_ignore=1", "lo.arp_announce=2"}

func TestMissing(t *testing.T) {
	tests := []struct {
		name    string
		vips    string
		forward dataplane.Forward
		link    string
		have    []string
		want    string // commands, joined by |
	}{
		{"gate from nothing", "10.0.0.100", dataplane.Gate, "", nil, gate4 + "|ip addr add 10.0.0.100/32 dev lo"},
		{"gate, two VIPs", "10.0.0.100 10.0.0.101", dataplane.Gate, "", nil, gate4 + "|ip addr add 10.0.0.100/32 dev lo|ip addr add 10.0.0.101/32 dev lo"},
		{"gate, all there", "10.0.0.100", dataplane.Gate, "", slices.Concat(quietWords, []string{"lo up 10.0.0.100/32"}), ""},
		{"gate, stricter", "10.0.0.100", dataplane.Gate, "", slices.Concat(quietWords, []string{"all.arp_ignore=2", "lo.arp_ignore=8", "lo up 10.0.0.100/32"}), ""},
		{"gate, useless modes", "10.0.0.100", dataplane.Gate, "", slices.Concat(quietWords, []string{"all.arp_ignore=3", "all.arp_announce=1", "lo up 10.0.0.100/32"}), quiet},
		{"gate, whole network on lo", "10.0.0.100", dataplane.Gate, "", slices.Concat(quietWords, []string{"lo up 10.0.0.100/24"}), "ip addr add 10.0.0.100/32 dev lo|ip addr del 10.0.0.100/24 dev lo"},
		{"gate, VIP on the wire", "10.0.0.100", dataplane.Gate, "", slices.Concat(quietWords, []string{"lo up 10.0.0.100/32", "eth0 up 10.0.0.100/24"}), "ip addr del 10.0.0.100/24 dev eth0"},
		{"gate, VIP on another quiet link", "10.0.0.100", dataplane.Gate, "", slices.Concat(quietWords, []string{"lo up 10.0.0.100/32", "dummy0 up 10.0.0.100/32"}), ""},
		{"gate on a dummy that is down", "10.0.0.100", dataplane.Gate, "dummy0.1", slices.Concat(quietWords, []string{"dummy0.1 down"}), "ip link set dummy0.1 up|sysctl -w net.ipv4.conf.dummy0/1.arp_ignore=1|sysctl -w net.ipv4.conf.dummy0/1.arp_announce=2|ip addr add 10.0.0.100/32 dev dummy0.1"},
		{"gate of IPv6", "fd00::100", dataplane.Gate, "", nil, "ip addr add fd00::100/128 dev lo preferred_lft 0 nodad"},
		{"gate of IPv6, all there", "fd00::100", dataplane.Gate, "", []string{"lo up fd00::100/64"}, ""},
		{"gate of both", "fd00::100 10.0.0.100", dataplane.Gate, "", nil, gate4 + "|ip addr add fd00::100/128 dev lo preferred_lft 0 nodad|ip addr add 10.0.0.100/32 dev lo"},
		{"ipip from nothing", "10.0.0.100", dataplane.IPIP, "", nil, "modprobe ipip|ip link set tunl0 up|" + tun4 + "|ip addr add 10.0.0.100/32 dev tunl0"},
		{"ipip, strict filters", "10.0.0.100", dataplane.IPIP, "", slices.Concat(quietWords, []string{"tunl0.rp_filter=1", "tunl0.arp_ignore=1", "tunl0.arp_announce=2", "tunl0 up 10.0.0.100/32"}), "sysctl -w net.ipv4.conf.tunl0.rp_filter=2"},
		{"ipip, loose filters", "10.0.0.100", dataplane.IPIP, "", slices.Concat(quietWords, []string{"tunl0.rp_filter=2", "tunl0.arp_ignore=1", "tunl0.arp_announce=2", "tunl0 up 10.0.0.100/32"}), ""},
		{"ipip of IPv6", "fd00::100", dataplane.IPIP, "", nil, "modprobe ip6_tunnel|ip link set ip6tnl0 up|ip addr add fd00::100/128 dev ip6tnl0 preferred_lft 0 nodad"},
		{"ipip over a link of one's own", "10.0.0.100", dataplane.IPIP, "tun7", []string{"tun7 up"}, strings.ReplaceAll(tun4, "tunl0", "tun7") + "|ip addr add 10.0.0.100/32 dev tun7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &Options{VIPs: vips(tt.vips), Forward: tt.forward, Link: tt.link}
			want := strings.FieldsFunc(tt.want, func(r rune) bool { return r == '|' })
			if diff := cmp.Diff(want, commands(missing(o, have(o, tt.have...)))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestARPIsSetBeforeTheVIP: no VIP is added before ARP is silent.
func TestARPIsSetBeforeTheVIP(t *testing.T) {
	o := &Options{VIPs: vips("10.0.0.100 fd00::100 10.0.0.101")}
	steps := missing(o, have(o))
	first := slices.IndexFunc(steps, func(s Step) bool { return s.do == addAddr })
	if slices.ContainsFunc(steps[first:], func(s Step) bool { return s.do == set }) {
		t.Errorf("settings come after addresses: %v", commands(steps))
	}
}

func TestLeftover(t *testing.T) {
	changed := map[string]string{"net.ipv4.conf.all.arp_ignore": "0", "net.ipv4.conf.lo.arp_announce": "1", "net.ipv4.conf.tunl0.rp_filter": "1", "net.ipv4.conf.eth9.arp_ignore": "0"}
	const restored = "sysctl -w net.ipv4.conf.all.arp_ignore=0|sysctl -w net.ipv4.conf.lo.arp_announce=1"
	tests := []struct {
		name    string
		vips    string
		forward dataplane.Forward
		have    []string
		before  map[string]string
		want    string
	}{
		{"nothing", "10.0.0.100", dataplane.Gate, nil, nil, ""},
		{"the last VIP", "10.0.0.100", dataplane.Gate, []string{"lo up 10.0.0.100/32"}, changed, "ip addr del 10.0.0.100/32 dev lo|" + restored},
		{"settings of others", "10.0.0.100", dataplane.Gate, []string{"lo up 10.0.0.100/32", "all.arp_ignore=1"}, nil, "ip addr del 10.0.0.100/32 dev lo"},
		{"one of two VIPs", "10.0.0.100", dataplane.Gate, []string{"lo up 10.0.0.100/32 10.0.0.101/32"}, changed, "ip addr del 10.0.0.100/32 dev lo"},
		{"both VIPs", "10.0.0.100 10.0.0.101", dataplane.Gate, []string{"lo up 10.0.0.100/32 10.0.0.101/32"}, changed, "ip addr del 10.0.0.100/32 dev lo|ip addr del 10.0.0.101/32 dev lo|" + restored},
		{"a VIP left in the tunnel", "10.0.0.100", dataplane.Gate, []string{"lo up 10.0.0.100/32", "tunl0 up 10.0.0.101/32"}, changed, "ip addr del 10.0.0.100/32 dev lo"},
		{"an IPv6 VIP left", "10.0.0.100", dataplane.Gate, []string{"lo up 10.0.0.100/32 fd00::100/128"}, changed, "ip addr del 10.0.0.100/32 dev lo|" + restored},
		{"an IPv6 VIP", "fd00::100", dataplane.Gate, []string{"lo up fd00::100/128"}, changed, "ip addr del fd00::100/128 dev lo"},
		{"the tunnel", "10.0.0.100", dataplane.IPIP, []string{"tunl0 up 10.0.0.100/32"}, changed, "ip addr del 10.0.0.100/32 dev tunl0|ip link set tunl0 down|sysctl -w net.ipv4.conf.all.arp_ignore=0|sysctl -w net.ipv4.conf.tunl0.rp_filter=1"},
		{"the tunnel of somebody else", "10.0.0.100", dataplane.IPIP, []string{"tunl0 up 10.0.0.100/32 10.9.0.1/24"}, nil, "ip addr del 10.0.0.100/32 dev tunl0"},
		{"the tunnel of IPv6", "fd00::100", dataplane.IPIP, []string{"ip6tnl0 up fe80::1/64 fd00::100/128"}, nil, "ip addr del fd00::100/128 dev ip6tnl0|ip link set ip6tnl0 down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &Options{VIPs: vips(tt.vips), Forward: tt.forward}
			want := strings.FieldsFunc(tt.want, func(r rune) bool { return r == '|' })
			if diff := cmp.Diff(want, commands(leftover(o, have(o, tt.have...), tt.before))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTunnels(t *testing.T) {
	gre := dataplane.Tunnel{Type: dataplane.TunnelGRE}
	gue := dataplane.Tunnel{Type: dataplane.TunnelGUE, Port: 6080}
	tunl0 := []string{"all.arp_ignore=1", "all.arp_announce=2", "tunl0.rp_filter=2", "tunl0.arp_ignore=1", "tunl0.arp_announce=2", "tunl0 up 10.0.0.100/32"}
	for _, tt := range []struct {
		name, vips string
		tunnel     dataplane.Tunnel
		have       []string
		missing    string
		leftover   string
	}{
		{"gre from nothing", "10.0.0.100", gre, nil, "modprobe ip_gre|ip link set gre0 up|" + strings.ReplaceAll(tun4, "tunl0", "gre0") + "|ip addr add 10.0.0.100/32 dev gre0", ""},
		{"gre of IPv6", "fd00::100", gre, []string{"ip6gre0 up fd00::100/128"}, "", "ip addr del fd00::100/128 dev ip6gre0|ip link set ip6gre0 down"},
		{"gue from nothing", "10.0.0.100", gue, nil, "modprobe ipip|ip link set tunl0 up|modprobe fou|ip fou add port 6080 gue|" + tun4 + "|ip addr add 10.0.0.100/32 dev tunl0", ""},
		{"gue of both", "10.0.0.100 fd00::100", gue, append(tunl0, "gue 6081", "ip6tnl0 up fd00::100/128"), "ip fou add port 6080 gue|ip -6 fou add port 6080 gue", "ip addr del 10.0.0.100/32 dev tunl0|ip addr del fd00::100/128 dev ip6tnl0|ip link set tunl0 down|ip link set ip6tnl0 down"},
		{"gue, all there", "10.0.0.100", gue, append(tunl0, "gue 6080"), "", "ip addr del 10.0.0.100/32 dev tunl0|ip fou del port 6080|ip link set tunl0 down"},
		{"gue of IPv6", "fd00::100", gue, []string{"ip6tnl0 up fd00::100/128", "gue6 6080"}, "", "ip addr del fd00::100/128 dev ip6tnl0|ip -6 fou del port 6080|ip link set ip6tnl0 down"},
		{"gue, another VIP left", "10.0.0.100", gue, append(tunl0, "gue 6080", "tunl0 up 10.0.0.101/32"), "", "ip addr del 10.0.0.100/32 dev tunl0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &Options{VIPs: vips(tt.vips), Forward: dataplane.IPIP, Tunnel: tt.tunnel}
			s := have(o, tt.have...)
			split := func(text string) []string { return strings.FieldsFunc(text, func(r rune) bool { return r == '|' }) }
			if diff := cmp.Diff(split(tt.missing), commands(missing(o, s))); diff != "" {
				t.Errorf("missing: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(split(tt.leftover), commands(leftover(o, s, nil))); diff != "" {
				t.Errorf("left over: -want +got:\n%s", diff)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{}, "there is no VIP"},
		{Options{VIPs: vips("127.0.0.1")}, "127.0.0.1 cannot be a VIP"},
		{Options{VIPs: vips("fe80::1%eth0")}, "fe80::1%eth0 cannot be a VIP"},
		{Options{VIPs: vips("10.0.0.1"), Forward: dataplane.Masq}, "masq needs nothing here but a default route by way of the director"},
		{Options{VIPs: vips("10.0.0.1 fd00::1"), Forward: dataplane.IPIP, Link: "tun7"}, "IPv4 and IPv6 are tunnelled to different links: not both to tun7"},
		{Options{VIPs: vips("10.0.0.1 fd00::1"), Forward: dataplane.IPIP}, ""},
		{Options{VIPs: vips("10.0.0.1"), Tunnel: dataplane.Tunnel{Type: dataplane.TunnelGRE}}, "gate has no tunnel: a tunnel type is for ipip"},
		{Options{VIPs: vips("10.0.0.1"), Forward: dataplane.IPIP, Tunnel: dataplane.Tunnel{Type: dataplane.TunnelGUE}}, "a tunnel of type gue needs a port, the one that tunnelport names on the director"},
		{Options{VIPs: vips("10.0.0.1"), Forward: dataplane.IPIP, Tunnel: dataplane.Tunnel{Type: dataplane.TunnelGRE, Port: 1}}, "a tunnel of type gre has no port"},
	} {
		err := tt.o.Validate()
		if got := ""; err != nil {
			got = err.Error()
			if got != tt.want {
				t.Errorf("%v: %q, want %q", tt.o, got, tt.want)
			}
		} else if tt.want != "" {
			t.Errorf("%v is accepted, want %q", tt.o, tt.want)
		}
	}
}
