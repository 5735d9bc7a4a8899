package lab

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// impair delays and loses packets of the client.
func (l *Lab) impair() error {
	if l.Delay == 0 && l.Loss == 0 {
		return nil
	}
	err := l.Client.Do(func() error {
		link, err := netlink.LinkByName(ClientLink)
		if err != nil {
			return err
		}
		return netlink.QdiscAdd(netlink.NewNetem(
			netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			netlink.NetemQdiscAttrs{Latency: uint32(l.Delay.Microseconds()), Loss: float32(100 * l.Loss), Limit: 100_000},
		))
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("delay and loss need the kernel's module sch_netem, which it does not have: %w", err)
	}
	if err != nil {
		return fmt.Errorf("delay and lose packets of %s: %w", ClientLink, err)
	}
	return nil
}

// Unplug takes the carrier of a real server's link away, counted from 0, as
// pulling the cable does. In a Loopback lab nothing can be unplugged.
func (l *Lab) Unplug(i int) error { return l.carrier(i, "unplug", netlink.LinkSetDown) }

// Plug is the reverse of Unplug.
func (l *Lab) Plug(i int) error { return l.carrier(i, "plug", netlink.LinkSetUp) }

func (l *Lab) carrier(i int, what string, set func(netlink.Link) error) error {
	if l.Topology == Loopback {
		return fmt.Errorf("%s real server %d: a loopback network has no links", what, i+1)
	}
	port := i + 1 // behind that of the director
	if l.Topology == Bridged {
		port++
	}
	err := l.Switch.Do(func() error {
		link, err := netlink.LinkByName(fmt.Sprintf("port%d", port))
		if err != nil {
			return err
		}
		return set(link)
	})
	if err != nil {
		return fmt.Errorf("%s real server %d: %w", what, i+1, err)
	}
	return nil
}
