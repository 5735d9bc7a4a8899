package ipvs_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/ipvs"
)

// service is one that IPVS can serve.
func service(change func(v *dataplane.VirtualService)) dataplane.VirtualService {
	v := dataplane.VirtualService{
		ID:          dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("10.0.0.1:80")},
		Scheduler:   "wrr",
		RealServers: []dataplane.RealServer{{Addr: netip.MustParseAddrPort("10.0.1.1:80"), Weight: 1}},
	}
	change(&v)
	return v
}

// withReal is that service with a change to its real server.
func withReal(change func(r *dataplane.RealServer)) dataplane.VirtualService {
	return service(func(v *dataplane.VirtualService) { change(&v.RealServers[0]) })
}

// withTunnel is that service with two real servers behind a tunnel.
func withTunnel(tunnel dataplane.Tunnel) dataplane.VirtualService {
	return service(func(v *dataplane.VirtualService) {
		second := v.RealServers[0]
		to(&second, "10.0.1.2:80")
		v.RealServers = append(v.RealServers, second)
		for i := range v.RealServers {
			v.RealServers[i].Forward, v.RealServers[i].Tunnel = dataplane.IPIP, tunnel
		}
	})
}

func at(v *dataplane.VirtualService, addr string) { v.ID.Addr = netip.MustParseAddrPort(addr) }

func to(r *dataplane.RealServer, addr string) { r.Addr = netip.MustParseAddrPort(addr) }

func TestSupported(t *testing.T) {
	type (
		v = dataplane.VirtualService
		r = dataplane.RealServer
	)
	for name, c := range map[string]dataplane.VirtualService{
		"tcp":                service(func(s *v) {}),
		"no real server":     service(func(s *v) { s.RealServers = nil }),
		"IPv6":               service(func(s *v) { at(s, "[fd00::1]:80"); to(&s.RealServers[0], "[fd00::2]:80") }),
		"masq, other port":   withReal(func(s *r) { s.Forward = dataplane.Masq; to(s, "10.0.1.1:8080") }),
		"ipip":               withReal(func(s *r) { s.Forward = dataplane.IPIP }),
		"ipip, IPv4 in IPv6": withReal(func(s *r) { s.Forward = dataplane.IPIP; to(s, "[fd00::1]:80") }),
		"ipip, IPv6 in IPv4": service(func(s *v) { at(s, "[fd00::1]:80"); s.RealServers[0].Forward = dataplane.IPIP }),
		"gre":                withTunnel(dataplane.Tunnel{Type: dataplane.TunnelGRE, Checksum: dataplane.ChecksumYes}),
		"gue":                withTunnel(dataplane.Tunnel{Type: dataplane.TunnelGUE, Port: 6080, Checksum: dataplane.ChecksumRemote}),
		"quiescent":          withReal(func(s *r) { s.Weight = 0 }),
		"heaviest":           withReal(func(s *r) { s.Weight = 65535 }),
		"upper":              withReal(func(s *r) { s.Upper = 1 }),
		"upper and lower":    withReal(func(s *r) { s.Upper, s.Lower = 1, 1 }),
		"sorry with address": withReal(func(s *r) { s.Sorry = true }),
		"mark": service(func(s *v) {
			s.ID = dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 1}
			to(&s.RealServers[0], "10.0.1.1:0")
		}),
		"mark, port without meaning": service(func(s *v) { s.ID = dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 1} }),
		"mark of IPv6": service(func(s *v) {
			s.ID = dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 1, IPv6: true}
			to(&s.RealServers[0], "[fd00::1]:0")
		}),
		"all ports": service(func(s *v) {
			at(s, "10.0.0.1:0")
			s.Persistent, s.PersistentBits = time.Minute, 32
			to(&s.RealServers[0], "10.0.1.1:0")
		}),
		"persistent networks":      service(func(s *v) { s.Persistent, s.PersistentBits = 31*24*time.Hour, 1 }),
		"bits without persistence": service(func(s *v) { s.PersistentBits = 999 }),
		"made connections":         service(func(s *v) { s.KeepAlive, s.QueueTimeout, s.Transparent = time.Minute, time.Second, true }),
		"one packet":               service(func(s *v) { s.ID.Protocol, s.OnePacket = dataplane.UDP, true }),
		"flags of sh":              service(func(s *v) { s.Scheduler, s.SchedFlags = "sh", []string{"sh-port", "sh-fallback", "flag-3"} }),
		"flags of mh":              service(func(s *v) { s.Scheduler, s.SchedFlags = "mh", []string{"mh-port", "mh-fallback"} }),
	} {
		for _, l := range ipvs.Unsupported(c) {
			t.Errorf("%s: %s: %v", name, l.Directive, l)
		}
	}
}

func TestUnsupported(t *testing.T) {
	type (
		v = dataplane.VirtualService
		r = dataplane.RealServer
	)
	for _, c := range []struct {
		directive, reason string
		service           dataplane.VirtualService
	}{
		{"virtual", "mark 0", service(func(s *v) {
			s.ID = dataplane.ServiceID{Protocol: dataplane.FWMark}
			to(&s.RealServers[0], "10.0.1.1:0")
		})},
		{"virtual", "protocol(9)", service(func(s *v) { s.ID.Protocol = 9 })},
		{"virtual", "plain", service(func(s *v) { at(s, "[::ffff:10.0.0.1]:80"); s.RealServers = nil })},
		{"virtual", "plain", service(func(s *v) { at(s, "[fe80::1%eth0]:80"); s.RealServers = nil })},
		{"virtual", "0.0.0.0", service(func(s *v) { at(s, "0.0.0.0:80") })},
		{"virtual", "plain", service(func(s *v) { s.ID.Addr = netip.AddrPort{}; s.RealServers = nil; s.Persistent, s.PersistentBits = 1, 1 })},
		{"virtual", "persistent", service(func(s *v) { at(s, "10.0.0.1:0"); to(&s.RealServers[0], "10.0.1.1:0") })},
		{"scheduler", `"nope": use one of rr wrr`, service(func(s *v) { s.Scheduler = "nope" })},
		{"scheduler", `""`, service(func(s *v) { s.Scheduler = "" })},
		{"scheduler", "none", service(func(s *v) { s.Scheduler = "none" })},
		{"schedflags", "sh-port", service(func(s *v) { s.SchedFlags = []string{"sh-port"} })},
		{"schedflags", "mh-port", service(func(s *v) { s.Scheduler, s.SchedFlags = "sh", []string{"mh-port"} })},
		{"schedflags", "flag-4", service(func(s *v) { s.SchedFlags = []string{"flag-4"} })},
		{"persistent", "2678400 seconds", service(func(s *v) { s.Persistent, s.PersistentBits = 32*24*time.Hour, 32 })},
		{"persistent", "-1s", service(func(s *v) { s.Persistent, s.PersistentBits = -time.Second, 32 })},
		{"netmask", "33 bits", service(func(s *v) { s.Persistent, s.PersistentBits = time.Minute, 33 })},
		{"netmask", "0 bits", service(func(s *v) { s.Persistent = time.Minute })},
		{"netmask", "129 bits", service(func(s *v) {
			at(s, "[fd00::1]:80")
			s.RealServers = nil
			s.Persistent, s.PersistentBits = time.Minute, 129
		})},
		{"proxyprotocol", "as it is", service(func(s *v) { s.ProxyProtocol = 2 })},
		{"trustedproxies", "PROXY", service(func(s *v) { s.TrustedProxies = []netip.Prefix{{}} })},
		{"allow", "nftables", service(func(s *v) { s.Allow = []netip.Prefix{{}} })},
		{"deny", "nftables", service(func(s *v) { s.Deny = []netip.Prefix{{}} })},
		{"sourceconnections", "nftables", service(func(s *v) { s.SourceConns = 1 })},
		{"sourcerate", "nftables", service(func(s *v) { s.SourceRate = dataplane.Rate{Count: 1, Per: time.Second} })},
		{"maxconn", "u:UPPER", withReal(func(r *r) { r.MaxConn = 1 })},
		{"ondown", "managesysctl", service(func(s *v) { s.Cut = []netip.AddrPort{{}} })},
		{"ops", "udp", service(func(s *v) { s.OnePacket = true })},
		{"real", "tunnel only", withReal(func(s *r) { to(s, "[fd00::1]:80") })},
		{"real", "tunnel only", withReal(func(s *r) { s.Forward = dataplane.Masq; to(s, "[fd00::1]:80") })},
		{"real", "tunnel only", service(func(s *v) { at(s, "[fd00::1]:80") })},
		{"real", "tunnel only", service(func(s *v) { at(s, "[fd00::1]:80"); s.RealServers[0].Forward = dataplane.Masq })},
		{"real", "gate is no tunnel", withReal(func(s *r) { s.Tunnel.Type = dataplane.TunnelGRE })},
		{"tunneltype", "tunnel(3)", withTunnel(dataplane.Tunnel{Type: 3})},
		{"tunneltype", "add tunnelport", withTunnel(dataplane.Tunnel{Type: dataplane.TunnelGUE})},
		{"tunnelport", "leave tunnelport out", withTunnel(dataplane.Tunnel{Port: 6080})},
		{"tunnelport", "leave tunnelport out", withTunnel(dataplane.Tunnel{Type: dataplane.TunnelGRE, Port: 6080})},
		{"tunnelchecksum", "leave tunnelchecksum out", withTunnel(dataplane.Tunnel{Checksum: dataplane.ChecksumYes})},
		{"tunnelchecksum", "leave tunnelchecksum out", withTunnel(dataplane.Tunnel{Type: dataplane.TunnelGRE, Checksum: 3})},
		{"tunnelchecksum", "use tunnelchecksum = yes", withTunnel(dataplane.Tunnel{Type: dataplane.TunnelGRE, Checksum: dataplane.ChecksumRemote})},
		{"real", "tunnel only", service(func(s *v) {
			s.ID = dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 1}
			to(&s.RealServers[0], "[fd00::1]:0")
		})},
		{"real", "plain", withReal(func(s *r) { to(s, "[::ffff:10.0.0.1]:80") })},
		{"real", "224.0.0.1", withReal(func(s *r) { to(s, "224.0.0.1:80") })},
		{"real", "plain", withReal(func(s *r) { s.Addr = netip.AddrPortFrom(netip.Addr{}, 80) })},
		{"real", "fallback", withReal(func(s *r) { s.Sorry, s.Addr = true, netip.AddrPort{} })},
		{"real", "port 80, not on 8080", withReal(func(s *r) { to(s, "10.0.1.1:8080") })},
		{"real", "port 80, not on 8080", withReal(func(s *r) { s.Forward = dataplane.IPIP; to(s, "10.0.1.1:8080") })},
		{"real", "needs a port", withReal(func(s *r) { s.Forward = dataplane.Masq; to(s, "10.0.1.1:0") })},
		{"real", "forward(9)", withReal(func(s *r) { s.Forward = 9 })},
		{"real", "weight 65536", withReal(func(s *r) { s.Weight = 65536 })},
		{"real", "weight -1", withReal(func(s *r) { s.Weight = -1 })},
		{"real", "threshold 2 is above the upper one, 1", withReal(func(s *r) { s.Upper, s.Lower = 1, 2 })},
		{"real", "threshold 2 is above the upper one, 0", withReal(func(s *r) { s.Lower = 2 })},
	} {
		limits := ipvs.Unsupported(c.service)
		if len(limits) != 1 || limits[0].Directive != c.directive || !strings.Contains(limits[0].Reason, c.reason) {
			t.Errorf("%v %+v: got %v, want one of %s that says %q", c.service.ID, c.service.RealServers, limits, c.directive, c.reason)
			continue
		}
		if !errors.Is(limits[0], dataplane.ErrNotSupported) {
			t.Errorf("%v does not match ErrNotSupported", limits[0])
		}
		if c.directive == "real" && limits[0].Server != c.service.RealServers[0].Addr {
			t.Errorf("%v names %v", limits[0], limits[0].Server)
		}
	}
}

func TestEveryReasonIsGiven(t *testing.T) {
	limits := ipvs.Unsupported(service(func(v *dataplane.VirtualService) {
		v.Scheduler, v.OnePacket = "nope", true
		v.RealServers[0].Weight = -1
		v.RealServers = append(v.RealServers, v.RealServers[0])
	}))
	if len(limits) != 4 {
		t.Errorf("got %v, want the scheduler, ops and both real servers", limits)
	}
}
