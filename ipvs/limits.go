package ipvs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

const (
	// maxWeight is the largest weight that other tools and libraries can read
	// back.
	maxWeight = 65535
	// maxTimeout is the limit of ipvsadm. The kernel counts in ticks and
	// overflows some time after it.
	maxTimeout = 31 * 24 * time.Hour
)

// Unsupported returns every reason why IPVS cannot serve v as it stands, nil if
// there is none. It depends on v alone. The kernel would accept most of these
// services and then not forward them.
func Unsupported(v dataplane.VirtualService) []*dataplane.Limit {
	var l limits
	l.virtual(v)
	l.scheduler(v)
	l.persistence(v)
	l.onePacket(v)
	l.proxyOnly(v)
	for _, r := range v.RealServers {
		l.real(v, r)
	}
	return l
}

// limits are the reasons found so far.
type limits []*dataplane.Limit

func (l *limits) add(directive, format string, args ...any) {
	*l = append(*l, &dataplane.Limit{Directive: directive, Reason: fmt.Sprintf(format, args...)})
}

func (l *limits) virtual(v dataplane.VirtualService) {
	switch addr := v.ID.Addr.Addr(); {
	case v.ID.Protocol == dataplane.FWMark:
		if v.ID.Mark == 0 {
			l.add("virtual", "firewall mark 0 is no mark: packets without one have it")
		}
		if dataplane.IsPathMark(v.ID.Mark) || dataplane.IsTrialMark(v.ID.Mark) {
			l.add("virtual", "firewall marks %d to %d are those of checks by the VIP, see checkpath: take another one", dataplane.FirstPathMark, dataplane.FirstTrialMark+dataplane.MaxPaths-1)
		}
	case v.ID.Protocol != dataplane.TCP && v.ID.Protocol != dataplane.UDP:
		l.add("virtual", "IPVS is not programmed for %s: use tcp, udp or a firewall mark", v.ID.Protocol)
	case addr.IsUnspecified() || notAnAddress(addr):
		l.add("virtual", "a virtual service of IPVS needs a plain IPv4 or IPv6 address, %s is none", addr)
	case v.ID.Addr.Port() == 0 && v.Persistent == 0:
		l.add("virtual", "IPVS takes all ports at once for a persistent service only: name the port, or add persistent = SECONDS")
	}
}

// notAnAddress reports whether the kernel would use another address than addr.
func notAnAddress(addr netip.Addr) bool {
	return !addr.IsValid() || addr.Is4In6() || addr.Zone() != "" || addr.IsMulticast()
}

func (l *limits) scheduler(v dataplane.VirtualService) {
	if !slices.Contains(schedulers, v.Scheduler) {
		l.add("scheduler", "IPVS has no scheduler %q: use one of %s", v.Scheduler, strings.Join(schedulers, " "))
		return
	}
	for _, name := range v.SchedFlags {
		if _, ok := flagNamed(v.Scheduler, name); !ok {
			l.add("schedflags", "scheduler %s of IPVS has no flag %q: leave it out", v.Scheduler, name)
		}
	}
}

func (l *limits) persistence(v dataplane.VirtualService) {
	if v.Persistent == 0 {
		return
	}
	if v.Persistent < 0 || v.Persistent > maxTimeout {
		l.add("persistent", "IPVS keeps clients for at most %d seconds, not for %v", int(maxTimeout.Seconds()), v.Persistent)
	}
	if v.PersistentBits < 1 || v.PersistentBits > bitLen(v.ID) {
		l.add("netmask", "a prefix of %d bits is not between 1 and the %d of the service's addresses", v.PersistentBits, bitLen(v.ID))
	}
}

func (l *limits) onePacket(v dataplane.VirtualService) {
	if v.OnePacket && v.ID.Protocol != dataplane.UDP {
		l.add("ops", "IPVS schedules single packets of udp services only, not of %s: leave ops out", v.ID.Protocol)
	}
}

func (l *limits) real(v dataplane.VirtualService, r dataplane.RealServer) {
	l.tunnel(r)
	for _, reason := range []string{address(v, r), forwarding(v, r), load(r)} {
		if reason != "" {
			*l = append(*l, &dataplane.Limit{Directive: "real", Server: r.Addr, Reason: reason})
		}
	}
}

// tunnel adds what is wrong with the encapsulation of packets for r, once for all
// real servers with the same fault.
func (l *limits) tunnel(r dataplane.RealServer) {
	if r.Forward != dataplane.IPIP && r.Tunnel != (dataplane.Tunnel{}) {
		l.add("real", "%s is no tunnel: a tunnel type is for ipip", r.Forward)
		(*l)[len(*l)-1].Server = r.Addr
		return
	}
	found := wrapping(r.Tunnel)
	if found != nil && !slices.ContainsFunc(*l, func(old *dataplane.Limit) bool { return *old == *found }) {
		*l = append(*l, found)
	}
}

// address returns what is wrong with the address of r, "" for nothing.
func address(v dataplane.VirtualService, r dataplane.RealServer) string {
	addr := r.Addr.Addr()
	switch {
	case r.Sorry && r.Addr == netip.AddrPort{}:
		return "IPVS reaches a sorry server at an address only: name one as the fallback"
	case addr.IsUnspecified() || notAnAddress(addr):
		return fmt.Sprintf("a real server of IPVS needs a plain IPv4 or IPv6 address, %s is none", addr)
	case addr.Is6() && !ipv6(v.ID) && r.Forward != dataplane.IPIP:
		return "IPVS reaches an IPv6 real server from an IPv4 service by tunnel only: use ipip, or an IPv4 address"
	case addr.Is4() && ipv6(v.ID) && r.Forward != dataplane.IPIP:
		return "IPVS reaches an IPv4 real server from an IPv6 service by tunnel only: use ipip, or an IPv6 address"
	}
	return ""
}

// forwarding returns what is wrong with the forwarding method of r, "" for
// nothing.
func forwarding(v dataplane.VirtualService, r dataplane.RealServer) string {
	_, known := methods[r.Forward]
	own, service := r.Addr.Port(), v.ID.Addr.Port()
	mapped := dataplane.MappedPort(r.Forward, own, service)
	switch {
	case !known:
		return fmt.Sprintf("IPVS has no forwarding method %s: use gate, masq or ipip", r.Forward)
	case v.ID.Protocol == dataplane.FWMark: // gate and ipip keep the port of the packet, whatever port r has
		return ""
	case own == mapped || r.Sorry && r.Addr == netip.AddrPort{}:
		return ""
	case r.Forward == dataplane.Masq:
		return fmt.Sprintf("a real server behind port %d needs a port", service)
	}
	return fmt.Sprintf("%s cannot change the port: packets arrive on port %d, not on %d: use port %[2]d, or masq", r.Forward, mapped, own)
}

// load returns what is wrong with the weight and the thresholds of r, "" for
// nothing.
func load(r dataplane.RealServer) string {
	switch {
	case r.Weight < 0 || r.Weight > maxWeight:
		return fmt.Sprintf("weight %d is not between 0 and %d", r.Weight, maxWeight)
	case r.Lower > r.Upper:
		return fmt.Sprintf("the lower threshold %d is above the upper one, %d", r.Lower, r.Upper)
	}
	return ""
}
