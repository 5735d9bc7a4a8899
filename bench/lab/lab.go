// Package lab builds the network of a measurement: a client, a director
// and real servers in network namespaces of this machine, tuned alike, with
// processors of their own.
package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A Topology is how the machines of a lab are connected.
type Topology string

const (
	// Loopback has everything in one namespace: the cheapest, least disturbed
	// way for packets, and no links to watch.
	Loopback Topology = "loopback"
	// Routed has the director between the client's network and the real
	// servers', whose default gateway it is: for masq and for proxies.
	Routed Topology = "routed"
	// Bridged has everybody in one network, so that real servers answer
	// clients by themselves: for gate and ipip. Proxies work there as well.
	Bridged Topology = "bridged"
)

// The links of the machines of a lab that is not Loopback. A Bridged director
// has one link, in front and behind it.
const (
	ClientLink = "up0"    // of the client
	FrontLink  = "front0" // of the director, to the client
	BackLink   = "back0"  // of the director, to the real servers
	RealLink   = "srv0"   // of each real server
)

// Options describe a lab. The zero value of each field is usable.
type Options struct {
	Topology    Topology // "" is Routed
	RealServers int      // 0 is 1
	IPv6        bool     // which family VIP and Real return; machines have both
	// Forward is what real servers of a Bridged lab are prepared for: with
	// Gate they have the VIP on lo, with IPIP on their tunnel links, with Masq
	// not at all.
	Forward dataplane.Forward
	MTU     int           // of all links; 0 leaves the kernel's
	Delay   time.Duration // of every packet that leaves the client
	Loss    float64       // share of the packets that leave the client, 0 to 1
	// Processors are what the packets of the machines are handled by, if the
	// kernel can steer them.
	Processors Processors
}

// A Lab is a network with its machines. Close ends everything in it.
type Lab struct {
	Client   *netlab.Namespace
	Director *netlab.Namespace
	Real     []*netlab.Namespace
	// Switch connects the real servers to the director; nil in a Loopback lab.
	// Its links are port0, the director's, or in a Bridged lab the client's
	// and then the director's, and one for each real server, in order.
	Switch *netlab.Namespace
	// Front and Back are the director's links to clients and to real servers:
	// where an observer watches. They are "lo" in a Loopback lab, and the same
	// in a Bridged one.
	Front, Back string
	// Limits are settings that the kernel refused, a sentence each.
	Limits []string

	Options
	net *netlab.Lab
}

// New builds a lab. Where the process may not make network namespaces the
// error matches fs.ErrPermission.
func New(o Options) (*Lab, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	net, err := netlab.New()
	if err != nil {
		return nil, fmt.Errorf("build a network: %w", err)
	}
	l := &Lab{Options: o, net: net}
	if err := l.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("build a %s network: %w", o.Topology, err), net.Close())
	}
	return l, nil
}

// Close ends the processes of the lab and takes its network away. A second Close
// does nothing.
func (l *Lab) Close() error { return l.net.Close() }

func (o *Options) complete() error {
	if o.Topology == "" {
		o.Topology = Routed
	}
	o.RealServers = max(o.RealServers, 1)
	switch {
	case o.Topology != Loopback && o.Topology != Routed && o.Topology != Bridged:
		return fmt.Errorf("no topology is called %q: loopback, routed and bridged are", o.Topology)
	case o.RealServers > maxReal:
		return fmt.Errorf("%d real servers are more than the %d there is room for", o.RealServers, maxReal)
	case o.Loss < 0 || o.Loss > 1:
		return fmt.Errorf("a loss of %v is not a share between 0 and 1", o.Loss)
	case o.Topology == Loopback && (o.Delay > 0 || o.Loss > 0):
		return errors.New("delay and loss are of links, and a loopback network has none")
	}
	return nil
}

func (l *Lab) build() error {
	steps := []func() error{l.connect, l.addSources, l.tune, l.impair}
	for _, do := range steps {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// machines makes the namespaces of a lab that is not Loopback.
func (l *Lab) machines() (err error) {
	if l.Client, err = l.net.Namespace("client"); err != nil {
		return err
	}
	if l.Director, err = l.net.Namespace("director"); err != nil {
		return err
	}
	for i := range l.RealServers {
		n, err := l.net.Namespace(fmt.Sprintf("real%d", i+1))
		if err != nil {
			return err
		}
		l.Real = append(l.Real, n)
	}
	return nil
}

// VIP returns the address of virtual services, which the director has.
func (l *Lab) VIP() netip.Addr { return pick(l.IPv6, vip4, vip6) }

// Sources returns 4096 addresses of the client, beside its own.
func (l *Lab) Sources() netip.Prefix {
	if l.IPv6 {
		return sources6
	}
	return sources4
}

// RealAddr returns the address of a real server, counted from 0.
func (l *Lab) RealAddr(i int) netip.Addr {
	if l.Topology == Bridged {
		return pick(l.IPv6, nth(front4.Addr(), realOffset+i), nth(front6.Addr(), realOffset+i))
	}
	return pick(l.IPv6, nth(back4.Addr(), realOffset+i), nth(back6.Addr(), realOffset+i))
}
