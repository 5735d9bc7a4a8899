package ipvs

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// Commands, from linux/ip_vs.h, as far as requests of our own use them.
const (
	cmdNewService = 1
	cmdSetService = 2
	cmdDelService = 3
	cmdGetService = 4
	cmdNewDest    = 5
	cmdSetDest    = 6
	cmdDelDest    = 7
	cmdGetDest    = 8
	cmdSetConfig  = 12
	cmdGetConfig  = 13
	cmdGetInfo    = 15
)

// Attributes of a command.
const (
	cmdAttrService    = 1
	cmdAttrDest       = 2
	cmdAttrTimeoutTCP = 4
	cmdAttrTimeoutFin = 5
	cmdAttrTimeoutUDP = 6
)

// Attributes of a service.
const (
	svcFamily    = 1
	svcProtocol  = 2
	svcAddr      = 3
	svcPort      = 4
	svcMark      = 5
	svcScheduler = 6
	svcFlags     = 7
	svcTimeout   = 8
	svcNetmask   = 9
	svcStats     = 10
	svcEngine    = 11
	svcStats64   = 12
)

// Attributes of a destination.
const (
	dstAddr        = 1
	dstPort        = 2
	dstMethod      = 3
	dstWeight      = 4
	dstUpper       = 5
	dstLower       = 6
	dstActive      = 7
	dstInactive    = 8
	dstPersistent  = 9
	dstStats       = 10
	dstFamily      = 11
	dstStats64     = 12
	dstTunnelKind  = 13
	dstTunnelPort  = 14
	dstTunnelFlags = 15
)

// Attributes of statistics.
const (
	statConns    = 1
	statInPkts   = 2
	statOutPkts  = 3
	statInBytes  = 4
	statOutBytes = 5
)

// Attributes of the kernel's description of itself.
const (
	infoVersion   = 1
	infoTableSize = 2
)

// serviceAttr returns the attributes that identify a service.
func serviceAttr(id dataplane.ServiceID) *nl.RtAttr {
	a := nl.NewRtAttr(cmdAttrService, nil)
	a.AddRtAttr(svcFamily, nl.Uint16Attr(family(ipv6(id))))
	if id.Protocol == dataplane.FWMark {
		a.AddRtAttr(svcMark, nl.Uint32Attr(id.Mark))
		return a
	}
	a.AddRtAttr(svcProtocol, nl.Uint16Attr(protocol(id)))
	a.AddRtAttr(svcAddr, id.Addr.Addr().AsSlice())
	a.AddRtAttr(svcPort, nl.BEUint16Attr(id.Addr.Port()))
	return a
}

// addOptions adds the attributes for the options of a service.
func addOptions(service *nl.RtAttr, o options) {
	service.AddRtAttr(svcScheduler, nl.ZeroTerminated(o.scheduler))
	if o.engine != "" {
		service.AddRtAttr(svcEngine, nl.ZeroTerminated(o.engine))
	}
	service.AddRtAttr(svcFlags, append(nl.Uint32Attr(o.flags), 0xff, 0xff, 0xff, 0xff)) // all of them
	service.AddRtAttr(svcTimeout, nl.Uint32Attr(o.timeout))
	service.AddRtAttr(svcNetmask, nl.Uint32Attr(o.netmask))
}

// serverAttr returns the attributes of a real server.
func serverAttr(s server) *nl.RtAttr {
	a := nl.NewRtAttr(cmdAttrDest, nil)
	a.AddRtAttr(dstFamily, nl.Uint16Attr(family(s.addr.Addr().Is6())))
	a.AddRtAttr(dstAddr, s.addr.Addr().AsSlice())
	a.AddRtAttr(dstPort, nl.BEUint16Attr(s.addr.Port()))
	a.AddRtAttr(dstMethod, nl.Uint32Attr(s.method))
	a.AddRtAttr(dstWeight, nl.Uint32Attr(uint32(s.weight)))
	a.AddRtAttr(dstUpper, nl.Uint32Attr(s.upper))
	a.AddRtAttr(dstLower, nl.Uint32Attr(s.lower))
	if s.tunnel != (tunnel{}) {
		a.AddRtAttr(dstTunnelKind, nl.Uint8Attr(s.tunnel.kind))
		a.AddRtAttr(dstTunnelPort, nl.BEUint16Attr(s.tunnel.port))
		a.AddRtAttr(dstTunnelFlags, nl.Uint16Attr(s.tunnel.flags))
	}
	return a
}

func family(six bool) uint16 {
	if six {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func protocol(id dataplane.ServiceID) uint16 {
	switch id.Protocol {
	case dataplane.TCP:
		return unix.IPPROTO_TCP
	case dataplane.UDP:
		return unix.IPPROTO_UDP
	}
	return 0
}

// attrs are the attributes of a message, by number. One that is missing or too
// short is zero.
type attrs [16][]byte

// parse splits a message into its attributes. The library's own parser panics
// where a length is wrong.
func parse(b []byte) (attrs, error) {
	var a attrs
	for len(b) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return a, unix.EBADMSG
		}
		if i := binary.NativeEndian.Uint16(b[2:]) &^ unix.NLA_F_NESTED; int(i) < len(a) {
			a[i] = b[unix.SizeofRtAttr:size]
		}
		b = b[min(len(b), (size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
	}
	return a, nil
}

// number returns an integer of any width, in the machine's byte order.
func (a *attrs) number(i uint16) uint64 {
	switch b := a[i]; {
	case len(b) >= 8:
		return binary.NativeEndian.Uint64(b)
	case len(b) >= 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case len(b) >= 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case len(b) == 1:
		return uint64(b[0])
	}
	return 0
}

// port returns an attribute in network byte order.
func (a *attrs) port(i uint16) uint16 {
	if b := a[i]; len(b) >= 2 {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// address returns an address, whose attribute is always as long as an IPv6
// address.
func (a *attrs) address(i uint16, family uint64) netip.Addr {
	b := a[i]
	if family == unix.AF_INET && len(b) > 4 {
		b = b[:4]
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

// text returns an attribute that ends with a zero byte.
func (a *attrs) text(i uint16) string {
	b, _, _ := bytes.Cut(a[i], []byte{0})
	return string(b)
}
