package sysctl_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// service makes a service with real servers written as "10.2.0.1:80 masq".
func service(id dataplane.ServiceID, reals ...string) dataplane.VirtualService {
	v := dataplane.VirtualService{ID: id, Scheduler: "rr"}
	for _, r := range reals {
		addr, forward, _ := strings.Cut(r, " ")
		real := dataplane.RealServer{Weight: 1, Sorry: addr == "sorry"}
		if !real.Sorry {
			real.Addr = netip.MustParseAddrPort(addr)
		}
		real.Forward = map[string]dataplane.Forward{"gate": dataplane.Gate, "masq": dataplane.Masq, "ipip": dataplane.IPIP}[forward]
		v.RealServers = append(v.RealServers, real)
	}
	return v
}

func tcp(addr string) dataplane.ServiceID {
	return dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort(addr)}
}

// where answers for a director with clients on eth0 and real servers on eth0
// (10.1) and on eth1 (10.2); 10.2.0.254 is its own address.
func where(a netip.Addr) (string, bool) {
	switch s := a.String(); {
	case s == "10.1.0.100":
		return "eth0", true
	case s == "fd00:1::100":
		return "eth0", true
	case strings.HasPrefix(s, "fd00:2:"):
		return "eth1", false
	case s == "10.2.0.254":
		return "eth1", true
	case strings.HasPrefix(s, "10.1."):
		return "eth0", false
	case strings.HasPrefix(s, "10.2."):
		return "eth1", false
	}
	return "", false
}

const (
	reuse     = "net.ipv4.vs.conn_reuse_mode=1"
	reuse3    = "net.ipv4.vs.conn_reuse_mode=3"
	nodest    = "net.ipv4.vs.expire_nodest_conn=1"
	template  = "net.ipv4.vs.expire_quiescent_template=1"
	forward4  = "net.ipv4.ip_forward=1"
	forward6  = "net.ipv6.conf.all.forwarding=1"
	redirects = "net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0"
)

// accept is what takes what real servers on a link answer from the VIP.
func accept(link string) string { return "net.ipv4.conf." + link + ".accept_local=1" }

func TestNeeds(t *testing.T) {
	vip, vip6 := tcp("10.1.0.100:80"), tcp("[fd00::100]:80")
	mark := dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: 5}
	sticky := service(vip, "10.2.0.1:80 gate")
	sticky.Persistent = time.Minute
	byVIP := func(v dataplane.VirtualService) []dataplane.VirtualService {
		v.CheckByVIP = true
		return []dataplane.VirtualService{v}
	}
	loose := sticky
	loose.ExpireQuiescent = true
	tests := []struct {
		name      string
		services  []dataplane.VirtualService
		quiescent bool
		want      string
	}{
		{"nothing", nil, false, ""},
		{"gate", []dataplane.VirtualService{service(vip, "10.2.0.1:80 gate")}, false, reuse3 + " " + nodest},
		{"ipip", []dataplane.VirtualService{service(vip, "10.2.0.1:80 ipip")}, false, reuse3 + " " + nodest},
		{"quiescent", []dataplane.VirtualService{service(vip, "10.2.0.1:80 gate")}, true, reuse3},
		{"quiescent and persistent", []dataplane.VirtualService{sticky}, true, reuse3 + " " + template},
		{"persistent", []dataplane.VirtualService{sticky}, false, reuse3 + " " + nodest},
		{"persistent unless quiescent", []dataplane.VirtualService{loose}, false, reuse3 + " " + nodest + " " + template},
		{"masq", []dataplane.VirtualService{service(vip, "10.2.0.1:80 masq")}, false, reuse + " " + nodest + " " + forward4},
		{"one of them masq", []dataplane.VirtualService{service(vip, "10.2.0.1:80 gate", "10.2.0.2:80 masq")}, false, reuse3 + " " + nodest + " " + forward4},
		{"masq on the link of the clients", []dataplane.VirtualService{service(vip, "10.1.0.1:80 masq")}, false, reuse + " " + nodest + " " + forward4 + " " + redirects},
		{"gate on the link of the clients", []dataplane.VirtualService{service(vip, "10.1.0.1:80 gate")}, false, reuse3 + " " + nodest},
		{"masq of a mark", []dataplane.VirtualService{service(mark, "10.1.0.1:0 masq")}, false, reuse + " " + nodest + " " + forward4},
		{"masq to nobody knows where", []dataplane.VirtualService{service(vip, "10.9.0.1:80 masq")}, false, reuse + " " + nodest + " " + forward4},
		{"masq of IPv6", []dataplane.VirtualService{service(vip6, "[fd00::1]:80 masq")}, false, reuse + " " + nodest + " " + forward6},
		{"masq to the director itself", []dataplane.VirtualService{service(vip, "10.2.0.254:8080 masq")}, false, reuse + " " + nodest},
		{"sorry server", []dataplane.VirtualService{service(vip, "sorry masq")}, false, reuse + " " + nodest},
		{"gate beside masq", []dataplane.VirtualService{
			service(vip, "10.2.0.254:8080 masq"), service(tcp("10.1.0.100:443"), "10.2.0.1:443 gate"), service(tcp("10.1.0.100:444"), "10.2.0.254:8080 masq"),
		}, false, reuse3 + " " + nodest},
		{"gate of UDP", []dataplane.VirtualService{service(dataplane.ServiceID{Protocol: dataplane.UDP, Addr: vip.Addr}, "10.2.0.1:80 gate")}, false, reuse + " " + nodest},
		{"gate by the VIP", byVIP(service(vip, "10.2.0.1:80 gate", "10.2.0.2:80 gate", "10.1.0.1:80 ipip")), false, reuse3 + " " + nodest + " " + accept("eth1") + " " + accept("eth0")},
		{"masq by the VIP", byVIP(service(vip, "10.2.0.1:80 masq")), false, reuse + " " + nodest + " " + forward4},
		{"IPv6 by the VIP", byVIP(service(tcp("[fd00:1::100]:80"), "[fd00:2::1]:80 gate")), false, reuse3 + " " + nodest},
		{"a VIP that the director has not", byVIP(service(tcp("10.1.0.99:80"), "10.2.0.1:80 gate")), false, reuse3 + " " + nodest},
		{"a mark by the VIP", byVIP(service(mark, "10.2.0.1:0 gate")), false, reuse3 + " " + nodest},
		{"the director itself by the VIP", byVIP(service(vip, "10.2.0.254:80 gate", "sorry gate")), false, reuse3 + " " + nodest},
		{"nobody knows where, by the VIP", byVIP(service(vip, "10.9.0.1:80 ipip")), false, reuse3 + " " + nodest},
		{"all of it once", []dataplane.VirtualService{
			service(vip, "10.1.0.1:80 masq", "10.1.0.2:80 masq"), service(tcp("10.1.0.100:443"), "10.1.0.1:443 masq"), service(vip6, "[fd00::1]:80 masq"),
		}, false, reuse + " " + nodest + " " + forward4 + " " + redirects + " " + forward6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			quiescent := func(dataplane.ServiceID) bool { return tt.quiescent }
			var got []string
			for _, n := range sysctl.Needs(tt.services, sysctl.Options{Quiescent: quiescent, Where: where}) {
				got = append(got, n.Name+"="+n.Value)
				if n.Reason == "" || n.Command() != "sysctl -w "+n.Name+"="+n.Value {
					t.Errorf("%s: reason %q, command %q", n.Name, n.Reason, n.Command())
				}
			}
			if diff := cmp.Diff(strings.Fields(tt.want), got); diff != "" && (tt.want != "" || got != nil) {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestNeedsByService: Needs asks Quiescent for each service.
func TestNeedsByService(t *testing.T) {
	a, b := service(tcp("10.1.0.100:80")), service(tcp("10.1.0.100:81"))
	a.Persistent, b.Persistent = time.Minute, time.Minute
	got := sysctl.Needs([]dataplane.VirtualService{a, b}, sysctl.Options{Quiescent: func(id dataplane.ServiceID) bool { return id == a.ID }})
	if len(got) != 3 || got[1].Name+got[2].Name != "net.ipv4.vs.expire_quiescent_templatenet.ipv4.vs.expire_nodest_conn" {
		t.Errorf("needs are %v", got)
	}
}
