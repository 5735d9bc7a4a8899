package ipvs

import (
	"cmp"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// content returns the attributes of the object that a message carries.
func content(msg []byte, object uint16) (attrs, error) {
	if len(msg) < nl.SizeofGenlmsg {
		return attrs{}, unix.EBADMSG
	}
	top, err := parse(msg[nl.SizeofGenlmsg:])
	if err != nil {
		return attrs{}, err
	}
	return parse(top[object])
}

// parseService reads a service without its real servers.
func parseService(msg []byte) (dataplane.ServiceID, entry, error) {
	a, err := content(msg, cmdAttrService)
	if err != nil {
		return dataplane.ServiceID{}, entry{}, err
	}
	c, err := a.counters(svcStats, svcStats64)
	return a.service(), entry{counters: c, options: options{
		scheduler: a.text(svcScheduler),
		flags:     uint32(a.number(svcFlags)) &^ flagHashed,
		timeout:   uint32(a.number(svcTimeout)),
		netmask:   uint32(a.number(svcNetmask)),
		engine:    a.text(svcEngine),
	}}, err
}

// service returns the service that the attributes identify, the zero value for
// one that is neither of TCP nor of UDP and has no mark.
func (a *attrs) service() dataplane.ServiceID {
	family := a.number(svcFamily)
	if mark := a.number(svcMark); mark != 0 {
		return dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: uint32(mark), IPv6: family == unix.AF_INET6}
	}
	id := dataplane.ServiceID{Addr: netip.AddrPortFrom(a.address(svcAddr, family), a.port(svcPort))}
	switch a.number(svcProtocol) {
	case unix.IPPROTO_TCP:
		id.Protocol = dataplane.TCP
	case unix.IPPROTO_UDP:
		id.Protocol = dataplane.UDP
	}
	return id
}

// parseServer reads a real server of a service of the family.
func parseServer(msg []byte, service uint16) (serverEntry, error) {
	a, err := content(msg, cmdAttrDest)
	if err != nil {
		return serverEntry{}, err
	}
	// Kernels before 3.18 do not send the family: it is that of the service.
	addr := a.address(dstAddr, cmp.Or(a.number(dstFamily), uint64(service)))
	c, err := a.counters(dstStats, dstStats64)
	return serverEntry{
		server: server{
			addr:   netip.AddrPortFrom(addr, a.port(dstPort)),
			method: uint32(a.number(dstMethod)) & methodMask,
			tunnel: tunnel{
				kind:  uint8(a.number(dstTunnelKind)),
				port:  a.port(dstTunnelPort),
				flags: uint16(a.number(dstTunnelFlags)),
			},
			weight: int(int32(a.number(dstWeight))),
			upper:  uint32(a.number(dstUpper)),
			lower:  uint32(a.number(dstLower)),
		},
		counters:   c,
		active:     int(a.number(dstActive)),
		inactive:   int(a.number(dstInactive)),
		persistent: int(a.number(dstPersistent)),
	}, err
}

// counters reads statistics of 64 bits, or of 32 bits on kernels before 4.1.
func (a *attrs) counters(narrow, wide uint16) (dataplane.Counters, error) {
	b := a[wide]
	if b == nil {
		b = a[narrow]
	}
	s, err := parse(b)
	return dataplane.Counters{
		Connections: s.number(statConns),
		InPackets:   s.number(statInPkts),
		OutPackets:  s.number(statOutPkts),
		InBytes:     s.number(statInBytes),
		OutBytes:    s.number(statOutBytes),
	}, err
}
