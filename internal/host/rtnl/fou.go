package rtnl

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A GUEPort is a UDP port on which the kernel accepts GUE. The kernel handles the
// packets inside as it handles IP in IP.
type GUEPort struct {
	Port uint16
	IPv6 bool
}

// GUEPorts returns the ports, and whether the kernel's module fou is loaded.
func GUEPorts() (ports []GUEPort, loaded bool, err error) {
	_, err = netlink.GenlFamilyGet(netlink.FOU_GENL_NAME)
	if errors.Is(err, unix.ENOENT) {
		return nil, false, nil
	}
	var all []netlink.Fou
	if err == nil {
		all, err = Settled(func() ([]netlink.Fou, error) { return netlink.FouList(unix.AF_UNSPEC) })
	}
	if err != nil {
		return nil, true, fmt.Errorf("list ports of GUE: %w", err)
	}
	for _, f := range all {
		if f.EncapType == netlink.FOU_ENCAP_GUE {
			ports = append(ports, GUEPort{Port: uint16(f.Port), IPv6: f.Family == unix.AF_INET6})
		}
	}
	return ports, true, nil
}

// Add makes the kernel accept GUE on the port. The library's own request has an
// attribute for a protocol, which kernels refuse for GUE.
func (g GUEPort) Add() error {
	f, err := netlink.GenlFamilyGet(netlink.FOU_GENL_NAME)
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(int(f.ID), unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: netlink.FOU_CMD_ADD, Version: 1})
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_PORT, nl.BEUint16Attr(g.Port)))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_TYPE, nl.Uint8Attr(netlink.FOU_ENCAP_GUE)))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_AF, nl.Uint8Attr(uint8(g.family()))))
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}

// Remove makes the kernel no longer accept GUE on the port.
func (g GUEPort) Remove() error {
	return netlink.FouDel(netlink.Fou{Family: g.family(), Port: int(g.Port), EncapType: netlink.FOU_ENCAP_GUE})
}

func (g GUEPort) family() int {
	if g.IPv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}
