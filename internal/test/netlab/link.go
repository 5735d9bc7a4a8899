package netlab

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
)

// carrierWait is how long a link may take to come up; it is a matter of
// milliseconds.
const carrierWait = 10 * time.Second

// An End is one end of a link: the name it has in its namespace and the
// addresses it is given there.
type End struct {
	In    *Namespace
	Link  string
	Addrs []netip.Prefix
}

// Connect joins two ends by a veth pair. When it returns both are up and their
// addresses can be used.
func (l *Lab) Connect(a, b End) error {
	if err := pair(a, b); err != nil {
		return err
	}
	if err := a.up(); err != nil {
		return err
	}
	if err := b.up(); err != nil {
		return err
	}
	if err := a.address(); err != nil {
		return err
	}
	return b.address()
}

// Bridge joins any number of ends by a bridge, which has a namespace of its
// own, and returns that namespace. When it returns all ends can be used.
func (l *Lab) Bridge(name string, ends ...End) (*Namespace, error) {
	n, err := l.Namespace(name)
	if err != nil {
		return nil, err
	}
	// Snooping would hold back neighbour discovery until a querier is heard.
	off := false
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}, MulticastSnooping: &off}
	if err := n.links.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("add bridge %s: %w", name, err)
	}
	if err := n.links.LinkSetUp(bridge); err != nil {
		return nil, fmt.Errorf("set bridge %s up: %w", name, err)
	}
	for i, end := range ends {
		port := End{In: n, Link: fmt.Sprintf("port%d", i)}
		if err := l.plug(bridge, port, end); err != nil {
			return nil, fmt.Errorf("bridge %s: %w", name, err)
		}
	}
	return n, nil
}

// plug connects end to the bridge by way of port.
func (l *Lab) plug(bridge *netlink.Bridge, port, end End) error {
	if err := pair(port, end); err != nil {
		return err
	}
	link, err := port.In.links.LinkByName(port.Link)
	if err != nil {
		return fmt.Errorf("link %s: %w", port, err)
	}
	if err := port.In.links.LinkSetMaster(link, bridge); err != nil {
		return fmt.Errorf("put %s on the bridge: %w", port, err)
	}
	if err := port.up(); err != nil {
		return err
	}
	if err := end.up(); err != nil {
		return err
	}
	return end.address()
}

func pair(a, b End) error {
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: a.Link},
		PeerName:      b.Link,
		PeerNamespace: netlink.NsFd(int(b.In.handle)),
	}
	if err := a.In.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("connect %s and %s: %w", a, b, err)
	}
	return nil
}

// String returns namespace and link.
func (e End) String() string { return e.In.name + ":" + e.Link }

func (e End) up() error {
	link, err := e.In.links.LinkByName(e.Link)
	if err != nil {
		return fmt.Errorf("link %s: %w", e, err)
	}
	if err := e.In.links.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", e, err)
	}
	return nil
}

// address gives the end its addresses once there is a carrier: the kernel
// installs no IPv6 route over a link without one.
func (e End) address() error {
	for end := time.Now().Add(carrierWait); ; time.Sleep(time.Millisecond) {
		link, err := e.In.links.LinkByName(e.Link)
		if err != nil {
			return fmt.Errorf("link %s: %w", e, err)
		}
		if link.Attrs().OperState == netlink.OperUp {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("link %s: no carrier after %v", e, carrierWait)
		}
	}
	for _, p := range e.Addrs {
		if err := e.In.AddAddr(e.Link, p); err != nil {
			return err
		}
	}
	return nil
}
