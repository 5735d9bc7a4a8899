package dataplane

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Protocol is the protocol of a virtual service, a part of its identity.
type Protocol uint8

// The protocols of ldirectord.cf. FWMark stands for its `fwm`: the packets
// that carry a firewall mark, whatever their protocol.
const (
	TCP Protocol = iota + 1
	UDP
	FWMark
)

// String returns the word ldirectord.cf uses: tcp, udp or fwm.
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case FWMark:
		return "fwm"
	}
	return "protocol(" + strconv.Itoa(int(p)) + ")"
}

// A ServiceID identifies a virtual service. It is comparable.
type ServiceID struct {
	Protocol Protocol
	// Addr is the VIP and port; the zero value with FWMark.
	Addr netip.AddrPort
	// Mark is the firewall mark, above 0 with FWMark and 0 otherwise.
	Mark uint32
	// IPv6 is the address family of a firewall mark. It is false for
	// services with an address, which says the family itself.
	IPv6 bool
}

// String returns the service as messages, metrics and commands name it:
// "tcp 10.0.0.1:80", "udp [fd00::1]:53", "fwm 5", "fwm6 5".
func (id ServiceID) String() string {
	if id.Protocol != FWMark {
		return id.Protocol.String() + " " + id.Addr.String()
	}
	family := ""
	if id.IPv6 {
		family = "6"
	}
	return fmt.Sprintf("fwm%s %d", family, id.Mark)
}

// Catches reports whether traffic of this machine to addr, in the protocol of the
// service, would come to the service itself: addr is the address of the service, or
// the service is on all addresses and addr is a loopback address with its port. It
// is false for firewall marks.
func (id ServiceID) Catches(addr netip.AddrPort) bool {
	if id.Protocol == FWMark || addr.Port() != id.Addr.Port() {
		return false
	}
	own, to := id.Addr.Addr().Unmap(), addr.Addr().Unmap()
	if own.IsUnspecified() {
		return (to.IsLoopback() || to.IsUnspecified()) && to.Is4() == own.Is4()
	}
	return own == to
}

// Compare orders services by protocol, address, mark and family.
func (id ServiceID) Compare(other ServiceID) int {
	return cmp.Or(
		cmp.Compare(id.Protocol, other.Protocol),
		id.Addr.Compare(other.Addr),
		cmp.Compare(id.Mark, other.Mark),
		compareBool(id.IPv6, other.IPv6),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Forward is a forwarding method. A dataplane that makes no difference between them
// accepts all.
type Forward uint8

// The forwarding methods, with the words of ldirectord.cf.
const (
	Gate Forward = iota // direct routing
	Masq                // NAT
	IPIP                // tunnelling
)

// String returns the word ldirectord.cf uses: gate, masq or ipip.
func (f Forward) String() string {
	switch f {
	case Gate:
		return "gate"
	case Masq:
		return "masq"
	case IPIP:
		return "ipip"
	}
	return "forward(" + strconv.Itoa(int(f)) + ")"
}

// A RealServer is a server behind a virtual service. It is comparable.
type RealServer struct {
	// Addr is the address that connections go to. It identifies the real server
	// within its service. MappedPort has been applied: the port is never 0, except
	// behind a firewall mark, where 0 keeps the port of the packet, and only Masq
	// can use another one.
	Addr    netip.AddrPort
	Forward Forward
	// Tunnel describes the tunnel of IPIP; it is the zero value with other methods.
	// A dataplane that makes no difference between methods accepts all tunnels.
	Tunnel Tunnel
	// Weight is 0 to 65535. 0 takes no new connection and keeps the old ones.
	Weight int
	// Upper is the number of connections at which the server gets no new ones,
	// until it has fewer than Lower, or than three quarters of Upper when Lower is
	// 0, as in the kernel's ip_vs_conn.c. 0 is no limit.
	Upper, Lower uint32
	// MaxConn limits the connections that the server has at a time. Clients for
	// which no server of the service has room wait, see QueueTimeout; UDP flows do
	// not wait. 0 is no limit. IPVS does not support it.
	MaxConn uint32
	// Sorry marks the built-in sorry server. If Addr is the zero value it always
	// answers, otherwise when nobody listens at Addr. If Addr is the service itself,
	// a dataplane whose connections would come back to it treats Addr as the zero
	// value.
	Sorry bool
}

// MappedPort returns the port at which traffic reaches a real server that is
// configured with port own (0 for none) behind a service on port service. Direct
// routing and tunnelling do not change packets: they arrive with the port of the
// service, whatever the configuration says.
func MappedPort(f Forward, own, service uint16) uint16 {
	if f == Masq && own != 0 {
		return own
	}
	return service
}

// Mapped returns the address at which traffic of the service reaches a real server
// or fallback that is configured at a, by the rule of MappedPort.
func (id ServiceID) Mapped(a netip.AddrPort, f Forward) netip.AddrPort {
	if id.Protocol == FWMark {
		return a
	}
	return netip.AddrPortFrom(a.Addr(), MappedPort(f, a.Port(), id.Addr.Port()))
}

// A VirtualService is the whole wanted state of one service.
type VirtualService struct {
	ID ServiceID
	// Scheduler is one of the kernel's names: rr, wrr, lc, wlc, sh, ...
	Scheduler string
	// SchedFlags are names such as sh-port and sh-fallback.
	SchedFlags []string
	// Persistent is the time for which a client keeps its real server after its
	// last connection. 0 is no persistence.
	Persistent time.Duration
	// PersistentBits is the length of the prefix that persistence treats as one
	// client: 32 or 128 for single clients. It is meaningless when Persistent is 0.
	PersistentBits int
	// OnePacket schedules every datagram of a UDP service by itself.
	OnePacket bool
	// Cut lists real servers whose connections and flows end now, whether or not
	// they are still in RealServers. Those that are have weight 0, and persistence
	// sends no client back to them.
	Cut []netip.AddrPort
	Options
	ClientLists
	// RealServers are in the order of the configuration, in which rr and wrr begin.
	// No two have the same Addr.
	RealServers []RealServer
}

// Equal reports whether v and w describe the same state.
func (v VirtualService) Equal(w VirtualService) bool {
	return v.ID == w.ID && v.Scheduler == w.Scheduler &&
		slices.Equal(v.SchedFlags, w.SchedFlags) &&
		v.Persistent == w.Persistent && v.PersistentBits == w.PersistentBits &&
		v.OnePacket == w.OnePacket &&
		slices.Equal(v.Cut, w.Cut) && v.Options == w.Options && v.ClientLists.Equal(w.ClientLists) &&
		slices.Equal(v.RealServers, w.RealServers)
}

// Clone returns a copy that shares no memory with v, except the lists of clients.
func (v VirtualService) Clone() VirtualService {
	v.SchedFlags = slices.Clone(v.SchedFlags)
	v.Cut = slices.Clone(v.Cut)
	v.ClientLists = v.ClientLists.Clone()
	v.RealServers = slices.Clone(v.RealServers)
	return v
}
