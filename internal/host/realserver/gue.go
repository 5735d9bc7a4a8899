package realserver

import (
	"errors"
	"fmt"
	"os/exec"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/host/vip"
)

// A guePort is a UDP port on which the kernel takes GUE. What was in it goes
// the way of IP in IP.
type guePort struct {
	port uint16
	six  bool
}

// fouModule is the kernel module that takes GUE. Nothing has the kernel load
// it by itself.
const fouModule = "fou"

// readGUE returns the ports, and whether the module is there at all.
func readGUE() (ports []guePort, loaded bool, err error) {
	_, err = netlink.GenlFamilyGet(netlink.FOU_GENL_NAME)
	if errors.Is(err, unix.ENOENT) {
		return nil, false, nil
	}
	var all []netlink.Fou
	if err == nil {
		all, err = vip.Settled(func() ([]netlink.Fou, error) { return netlink.FouList(unix.AF_UNSPEC) })
	}
	if err != nil {
		return nil, true, fmt.Errorf("list ports of GUE: %w", err)
	}
	for _, f := range all {
		if f.EncapType == netlink.FOU_ENCAP_GUE {
			ports = append(ports, guePort{port: uint16(f.Port), six: f.Family == unix.AF_INET6})
		}
	}
	return ports, true, nil
}

// add has the kernel take GUE on the port. The library's own request has an
// attribute for a protocol, which GUE has none of and kernels refuse.
func (g guePort) add() error {
	f, err := netlink.GenlFamilyGet(netlink.FOU_GENL_NAME)
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(int(f.ID), unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: netlink.FOU_CMD_ADD, Version: 1})
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_PORT, nl.BEUint16Attr(g.port)))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_TYPE, nl.Uint8Attr(netlink.FOU_ENCAP_GUE)))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_AF, nl.Uint8Attr(uint8(g.family()))))
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}

func (g guePort) remove() error {
	return netlink.FouDel(netlink.Fou{Family: g.family(), Port: int(g.port), EncapType: netlink.FOU_ENCAP_GUE})
}

func (g guePort) family() int {
	if g.six {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// command is what ip(8) takes for a verb.
func (g guePort) command(verb string) string {
	six, gue := "", ""
	if g.six {
		six = "-6 "
	}
	if verb == "add" {
		gue = " gue"
	}
	return fmt.Sprintf("ip %sfou %s port %d%s", six, verb, g.port, gue)
}

// loadModule runs the program that the kernel itself loads modules with.
func loadModule(d sysctl.Dir, name string) error {
	program, err := d.Get("kernel.modprobe")
	if err != nil {
		return err
	}
	if out, err := exec.Command(program, name).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
