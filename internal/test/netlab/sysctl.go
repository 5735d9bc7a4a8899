package netlab

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Sysctl sets a sysctl of the namespace, named with dots or, where a link's
// name has one, with slashes: net.ipv4.ip_forward, net/ipv4/conf/eth0.1/rp_filter.
func (n *Namespace) Sysctl(name, value string) error {
	if !strings.Contains(name, "/") {
		name = strings.ReplaceAll(name, ".", "/")
	}
	err := n.Do(func() error {
		return os.WriteFile("/proc/sys/"+name, []byte(value), 0)
	})
	if err != nil {
		return fmt.Errorf("set %s to %s in %s: %w", name, value, n.name, err)
	}
	return nil
}

// Forward makes the namespace a router for IPv4 and IPv6.
func (n *Namespace) Forward() error {
	return errors.Join(
		n.Sysctl("net.ipv4.ip_forward", "1"),
		n.Sysctl("net.ipv6.conf.all.forwarding", "1"),
	)
}

// prepare brings lo up and sees to it that link-local addresses, which the
// kernel adds by itself, need no second to be sure of themselves.
func (n *Namespace) prepare() error {
	lo, err := n.links.LinkByName("lo")
	if err == nil {
		err = n.links.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("set %s:lo up: %w", n.name, err)
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		return nil // a kernel without IPv6
	}
	return n.Sysctl("net.ipv6.conf.default.accept_dad", "0")
}
