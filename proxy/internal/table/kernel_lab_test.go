//go:build kernel

package table_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/ipvs"
)

// A fixture is a client with many addresses and a director behind whose real
// servers there is nothing: what is asked of it is the kernel's choice alone,
// which its table of connections shows. Connections are what their clients
// send: a SYN and the ACK after it, and a FIN at their end, after which the
// kernel is made to forget them, so that it counts no inactive ones.
type fixture struct {
	*testing.T
	client, director *netlab.Namespace
	plane            *ipvs.Dataplane
	marks            uint16
}

var (
	vips    = map[bool]netip.Addr{false: netip.MustParseAddr("10.1.0.1"), true: netip.MustParseAddr("fd00:1::1")}
	clients = map[bool]netip.Prefix{false: netip.MustParsePrefix("10.9.0.0/16"), true: netip.MustParsePrefix("fd00:9::/32")}
	mark    = dataplane.VirtualService{
		ID:          dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.AddrPortFrom(vips[false], 9)},
		Scheduler:   "rr",
		RealServers: []dataplane.RealServer{{Addr: netip.MustParseAddrPort("10.3.0.9:9"), Weight: 1}},
	}
)

func newFixture(t *testing.T) *fixture {
	lab, p := netlab.Test(t), &fixture{T: t, marks: 1023} // IPVS schedules nothing from ports such as 20
	var err error
	if p.client, err = lab.Namespace("client"); err == nil {
		p.director, err = lab.Namespace("director")
	}
	p.must(err)
	p.must(lab.Connect(
		netlab.End{In: p.client, Link: "eth0", Addrs: prefixes("10.1.0.2/24", "fd00:1::2/64")},
		netlab.End{In: p.director, Link: "eth0", Addrs: prefixes("10.1.0.1/24", "fd00:1::1/64")},
	))
	p.must(errors.Join(p.client.Do(manyAddresses), p.client.Sysctl("net.ipv6.ip_nonlocal_bind", "1")))
	p.must(p.director.Do(nowhere))
	for _, a := range prefixes("10.3.0.1/16", "fd00:3::1/64") {
		p.must(p.director.AddAddr("dummy0", a))
	}
	p.must(errors.Join(
		p.director.Route(clients[false], netip.MustParseAddr("10.1.0.2")),
		p.director.Route(clients[true], netip.MustParseAddr("fd00:1::2")),
		p.director.Do(func() (err error) {
			p.plane, err = ipvs.New(ipvs.Options{})
			return err
		})))
	t.Cleanup(func() { _ = p.plane.Close() })
	p.apply(mark)
	p.must(p.plane.SetTimeouts(t.Context(), ipvs.Timeouts{TCP: time.Hour, TCPFin: time.Second}))
	return p
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// manyAddresses makes all addresses of the clients local.
func manyAddresses() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, p := range clients {
		dst := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		r := &netlink.Route{
			LinkIndex: lo.Attrs().Index, Dst: dst,
			Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
		}
		if err := netlink.RouteAdd(r); err != nil {
			return err
		}
	}
	return nil
}

// nowhere adds a link on which everything is lost.
func nowhere() error {
	dummy := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "dummy0"}}
	return errors.Join(netlink.LinkAdd(dummy), netlink.LinkSetUp(dummy))
}

func (p *fixture) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// apply makes the kernel serve v and returns it with the real servers in the
// kernel's order: what comes back does so in front.
func (p *fixture) apply(v dataplane.VirtualService) dataplane.VirtualService {
	p.Helper()
	p.must(p.plane.Apply(p.Context(), v))
	all, err := p.plane.Find(p.Context(), []dataplane.ServiceID{v.ID})
	p.must(err)
	specs := map[netip.AddrPort]dataplane.RealServer{}
	for _, rs := range v.RealServers {
		specs[rs.Addr] = rs
	}
	v = v.Clone()
	v.RealServers = v.RealServers[:0]
	for _, rs := range all[0].RealServers {
		v.RealServers = append(v.RealServers, specs[rs.Addr])
	}
	return v
}

// A flow is what has an entry in the kernel's table.
type flow struct{ client, to netip.AddrPort }

// The flags of TCP segments.
const (
	fin = 1
	syn = 2
	ack = 16
)

// send sends segments of each flow, one flow after the other, and returns when
// the director has seen them: when it has seen another flow after them.
func (p *fixture) send(flows []flow, segments ...byte) connections {
	p.Helper()
	p.marks++
	last := flow{netip.AddrPortFrom(clients[false].Addr().Next(), p.marks), mark.ID.Addr}
	p.must(p.client.Do(func() error {
		for _, f := range flows {
			if err := f.send(segments...); err != nil {
				return err
			}
		}
		return last.send(syn)
	}))
	return p.await("everything was seen", func(table connections) bool { return table[last].Client.IsValid() })
}

func (f flow) send(segments ...byte) error {
	network := "ip4:tcp"
	if f.client.Addr().Is6() {
		network = "ip6:tcp"
	}
	c, err := net.ListenIP(network, &net.IPAddr{IP: f.client.Addr().AsSlice()})
	if err != nil {
		return err
	}
	for _, flags := range segments {
		_, failed := c.WriteToIP(f.segment(flags), &net.IPAddr{IP: f.to.Addr().AsSlice()})
		err = errors.Join(err, failed)
	}
	return errors.Join(err, c.Close())
}

// segment is a TCP header of which IPVS reads ports and flags.
func (f flow) segment(flags byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, f.client.Port())
	b = binary.BigEndian.AppendUint16(b, f.to.Port())
	return append(b, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, flags, 255, 255, 0, 0, 0, 0)
}

// end has the kernel forget flows.
func (p *fixture) end(flows []flow) {
	p.Helper()
	p.send(flows, fin|ack)
	p.await("flows have ended", func(table connections) bool {
		return !slices.ContainsFunc(flows, func(f flow) bool { return table[f].Client.IsValid() })
	})
}

// connections are the kernel's table.
type connections map[flow]dataplane.Connection

// await reads the kernel's table until it is as it should be.
func (p *fixture) await(what string, ready func(connections) bool) connections {
	p.Helper()
	return wait.For(p, what, func() (connections, bool) {
		table := connections{}
		p.must(p.director.Do(func() error {
			for c, err := range ipvs.Connections(p.Context()) {
				if err != nil {
					return err
				}
				table[flow{c.Client, c.Virtual}] = c
			}
			return nil
		}))
		return table, ready(table)
	})
}
