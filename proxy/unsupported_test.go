package proxy_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

func TestUnsupported(t *testing.T) {
	type service = dataplane.VirtualService
	tests := []struct {
		name      string
		change    func(*service)
		directive string
		reason    string // part of it
	}{
		{"firewall mark", func(v *service) { v.ID = dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 5} }, "virtual", "dataplane = ipvs"},
		{"unknown protocol", func(v *service) { v.ID.Protocol = 0 }, "virtual", "tcp or udp"},
		{"no address", func(v *service) { v.ID.Addr = netip.AddrPort{} }, "virtual", "needs an address"},
		{"all ports", func(v *service) { v.ID.Addr = mustAddr("192.0.2.1:0") }, "virtual", "name the port"},
		{"prefix", func(v *service) { v.Persistent, v.PersistentBits = time.Second, 33 }, "netmask", "33 bits"},
		{"scheduler", func(v *service) { v.Scheduler = "srr" }, "scheduler", `"srr": use one of dh fo lblc lblcr lc mh nq ovf rr sed sh wlc wrr`},
		{"flag", func(v *service) { v.SchedFlags = []string{"mh-port"} }, "schedflags", `no flag "mh-port"`},
		{"flag of another", func(v *service) { v.SchedFlags = []string{"sh-port"} }, "schedflags", `rr of the proxy has no flag "sh-port"`},
		{"weight below", func(v *service) { v.RealServers[0].Weight = -1 }, "real", "weight -1"},
		{"weight above", func(v *service) { v.RealServers[0].Weight = 65536 }, "real", "weight 65536"},
		{"real port", func(v *service) { v.RealServers[0].Addr = mustAddr("192.0.2.9:0") }, "real", "name the port"},
		{"real address", func(v *service) { v.RealServers[0].Addr = netip.AddrPort{} }, "real", "needs an address"},
		{"PROXY protocol of UDP", func(v *service) { v.ID.Protocol, v.ProxyProtocol = dataplane.UDP, 1 }, "proxyprotocol", "use v2"},
		{"PROXY protocol of the future", func(v *service) { v.ProxyProtocol = 3 }, "proxyprotocol", "no version 3"},
		{"transparent between families", func(v *service) {
			v.Transparent, v.RealServers[0].Addr = true, mustAddr("[2001:db8::9]:80")
		}, "transparent", "real server [2001:db8::9]:80 cannot see"},
		{"itself", func(v *service) { v.RealServers[0].Addr = v.ID.Addr }, "real", "127.0.0.1:80 is the service itself"},
		{"itself on all addresses", func(v *service) {
			v.ID.Addr, v.RealServers[0].Addr = mustAddr("[::]:80"), mustAddr("[::1]:80")
		}, "real", "[::1]:80 is the service itself"},
	}
	d := newPlane(t, proxy.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := serviceAt(dataplane.TCP, mustAddr("127.0.0.1:80"), mustAddr("192.0.2.9:80"))
			tt.change(&v)
			limits := proxy.Unsupported(v)
			if len(limits) != 1 || limits[0].Directive != tt.directive || !strings.Contains(limits[0].Reason, tt.reason) {
				t.Fatalf("limits %v, want one of %s with %q", limits, tt.directive, tt.reason)
			}
			if tt.directive == "real" && limits[0].Server != v.RealServers[0].Addr {
				t.Errorf("the limit is of real server %v", limits[0].Server)
			}
			err := d.Apply(t.Context(), v)
			var op *dataplane.OpError
			if !errors.As(err, &op) || op.Service != v.ID || !errors.Is(err, dataplane.ErrNotSupported) {
				t.Errorf("Apply: %v, want an OpError that is %v", err, dataplane.ErrNotSupported)
			}
		})
	}
	if n := d.Writes(); n != 0 {
		t.Errorf("%d writes by refused services", n)
	}
}

func TestSupported(t *testing.T) {
	for _, change := range []func(*dataplane.VirtualService){
		func(*dataplane.VirtualService) {},
		func(v *dataplane.VirtualService) { v.RealServers = nil },
		func(v *dataplane.VirtualService) { v.RealServers[0].Addr = mustAddr("[2001:db8::1]:80") },
		func(v *dataplane.VirtualService) { v.RealServers[0] = dataplane.RealServer{Weight: 1, Sorry: true} },
		func(v *dataplane.VirtualService) {
			v.Scheduler, v.SchedFlags = "sh", []string{"sh-port", "sh-fallback"}
		},
		func(v *dataplane.VirtualService) {
			v.Scheduler, v.SchedFlags = "mh", []string{"mh-port", "mh-fallback"}
		},
		func(v *dataplane.VirtualService) {
			v.Scheduler, v.SchedFlags = "lblcr", []string{"flag-1", "flag-2", "flag-3"}
		},
		func(v *dataplane.VirtualService) { v.Persistent, v.PersistentBits = time.Second, 0 },
		func(v *dataplane.VirtualService) { v.ID.Protocol, v.OnePacket = dataplane.UDP, true },
		func(v *dataplane.VirtualService) { v.ID.Protocol, v.ProxyProtocol = dataplane.UDP, 2 },
		func(v *dataplane.VirtualService) { v.ProxyProtocol, v.TrustedProxies = 1, loopback },
		func(v *dataplane.VirtualService) {
			v.Transparent, v.RealServers[0] = true, dataplane.RealServer{Weight: 1, Sorry: true}
		},
	} {
		v := serviceAt(dataplane.TCP, mustAddr("192.0.2.1:80"), mustAddr("192.0.2.9:80"))
		change(&v)
		if limits := proxy.Unsupported(v); limits != nil {
			t.Errorf("%+v: %v, want no limits", v, limits)
		}
	}
}
