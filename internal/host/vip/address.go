package vip

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

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

// check returns an error if a cannot be an address on a link.
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

// errNoLink reports that a link does not exist, or no longer.
var errNoLink = errors.New("there is no such link yet")

// explain returns what an error of netlink means for an operator.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENODEV):
		return errNoLink
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (it needs CAP_NET_ADMIN)", err)
	}
	return err
}
