package ipvs

import "github.com/shunt-lb/shunt/dataplane"

// A tunnel is the encapsulation of packets to a real server. The zero value is IP
// in IP.
type tunnel struct {
	kind  uint8
	port  uint16
	flags uint16
}

// The kernel's kinds of tunnels and their flags, from linux/ip_vs.h.
const (
	kindIPIP = 0
	kindGUE  = 1
	kindGRE  = 2

	flagChecksum = 1
	flagRemote   = 2
)

var kinds = map[dataplane.TunnelType]uint8{
	dataplane.TunnelIPIP: kindIPIP,
	dataplane.TunnelGUE:  kindGUE,
	dataplane.TunnelGRE:  kindGRE,
}

// checksums are the kernel's flags. It computes the checksum of UDP for the
// remote one, too.
var checksums = map[dataplane.TunnelChecksum]uint16{
	dataplane.ChecksumNo:     0,
	dataplane.ChecksumYes:    flagChecksum,
	dataplane.ChecksumRemote: flagRemote,
}

// goalTunnel returns t in the kernel's terms.
func goalTunnel(t dataplane.Tunnel) tunnel {
	return tunnel{kind: kinds[t.Type], port: t.Port, flags: checksums[t.Checksum]}
}

// words returns t in terms of the contract, false if the contract has none for
// it.
func (t tunnel) words() (w dataplane.Tunnel, known bool) {
	w.Port = t.port
	for typ, kind := range kinds {
		if kind == t.kind {
			w.Type = typ
		}
	}
	for sum, flags := range checksums {
		if flags == t.flags {
			w.Checksum = sum
		}
	}
	return w, goalTunnel(w) == t && wrapping(w) == nil
}

// wrapping returns the reason why IPVS cannot use a tunnel, nil for none.
func wrapping(t dataplane.Tunnel) *dataplane.Limit {
	switch gue := t.Type == dataplane.TunnelGUE; {
	case t.Type > dataplane.TunnelGRE:
		return &dataplane.Limit{Directive: "tunneltype", Reason: "IPVS has no tunnel type " + t.Type.String() + ": use ipip, gue or gre"}
	case gue && t.Port == 0:
		return &dataplane.Limit{Directive: "tunneltype", Reason: "a tunnel of type gue needs a port: add tunnelport = PORT, on which the real servers take it"}
	case !gue && t.Port != 0:
		return &dataplane.Limit{Directive: "tunnelport", Reason: "a tunnel of type " + t.Type.String() + " has no port: leave tunnelport out, or use tunneltype = gue"}
	case t.Checksum > dataplane.ChecksumRemote, t.Type == dataplane.TunnelIPIP && t.Checksum != dataplane.ChecksumNo:
		return &dataplane.Limit{Directive: "tunnelchecksum", Reason: "a tunnel of type " + t.Type.String() + " has no checksum: leave tunnelchecksum out"}
	case t.Type == dataplane.TunnelGRE && t.Checksum == dataplane.ChecksumRemote:
		return &dataplane.Limit{Directive: "tunnelchecksum", Reason: "a tunnel of type gre cannot leave the checksum to the real server: use tunnelchecksum = yes"}
	}
	return nil
}
