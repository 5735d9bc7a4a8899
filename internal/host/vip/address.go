package vip

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An Address is a VIP and the link that it belongs on. It is comparable.
type Address struct {
	// Addr has no zone; IPv4 is not mapped into IPv6.
	Addr netip.Addr
	Link string
}

// String returns "10.0.0.1 on eth0".
func (a Address) String() string { return a.Addr.String() + " on " + a.Link }

// Compare orders addresses by link and address.
func (a Address) Compare(b Address) int {
	return cmp.Or(cmp.Compare(a.Link, b.Link), a.Addr.Compare(b.Addr))
}

// check refuses what can never be an address on a link of its own.
func (a Address) check() error {
	switch {
	case a.Link == "":
		return fmt.Errorf("put %v on a link: it has no name", a.Addr)
	case !a.Addr.IsValid() || a.Addr.IsUnspecified() || a.Addr.IsMulticast():
		return fmt.Errorf("put %v: no address of a host", a)
	case a.Addr.Zone() != "" || a.Addr.Is4In6():
		return fmt.Errorf("put %v: neither zone nor mapped address", a)
	}
	return nil
}

// Bare returns addr as netlink wants it to add a VIP: as a single address
// without a network, usable at once and for ever. An IPv6 one is deprecated
// from the start, so that it is answered for and never chosen as the source
// of what the host sends of its own accord, such as health checks
// (RFC 6724, section 5, rule 3).
func Bare(addr netip.Addr) *netlink.Addr {
	bits := addr.BitLen()
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, bits)}}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD
		a.PreferedLft, a.ValidLft = 0, math.MaxInt32
	}
	return a
}

// Host returns the address of a, without its network.
func Host(a *netlink.Addr) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.IP)
	return addr.Unmap()
}

// Settled returns what list does, asking again when it changed while the
// kernel told it.
func Settled[T any](list func() ([]T, error)) (all []T, err error) {
	for range 10 {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

// errNoLink stands for links that are not there, or no longer.
var errNoLink = errors.New("there is no such link yet")

// explain says what is behind an error of netlink.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENODEV):
		return errNoLink
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (it needs CAP_NET_ADMIN)", err)
	}
	return err
}
