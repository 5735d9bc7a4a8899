package ipvs

import (
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// proxyOnly adds the options that an operator relies on and the kernel does not have.
// Timeouts of connections that a proxy makes mean nothing here.
func (l *limits) proxyOnly(v dataplane.VirtualService) {
	maxConn := func(r dataplane.RealServer) bool { return r.MaxConn > 0 }
	for _, c := range []struct {
		asked             bool
		directive, reason string
	}{
		{v.ProxyProtocol != 0, "proxyprotocol", "IPVS adds nothing to connections, real servers see the client's address as it is: leave it out, or use dataplane = proxy"},
		{len(v.TrustedProxies) > 0, "trustedproxies", "IPVS does not read the PROXY protocol: use dataplane = proxy"},
		{len(v.Allow) > 0, "allow", "IPVS does not choose clients: filter them with nftables, or use dataplane = proxy"},
		{len(v.Deny) > 0, "deny", "IPVS does not choose clients: filter them with nftables, or use dataplane = proxy"},
		{v.SourceConns > 0, "sourceconnections", "IPVS does not limit single clients: do it with nftables, or use dataplane = proxy"},
		{v.SourceRate.Count > 0, "sourcerate", "IPVS does not limit single clients: do it with nftables, or use dataplane = proxy"},
		{slices.ContainsFunc(v.RealServers, maxConn), "maxconn", "IPVS has no queue for clients to wait in: give the real servers u:UPPER, or use dataplane = proxy"},
		{v.ErrorLimit > 0, "observe", "IPVS does not tell whether connections to real servers succeed: leave it out, or use dataplane = proxy"},
		{len(v.Cut) > 0, "ondown", "IPVS does not cut connections of one service: leave it out, with quiescent=no and managesysctl=yes the clients of a server that is removed are told at once; or use dataplane = proxy"},
	} {
		if c.asked {
			l.add(c.directive, "%s", c.reason)
		}
	}
}
