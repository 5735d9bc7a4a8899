package realserver

import (
	"fmt"
	"os/exec"

	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// fouModule is the kernel module that accepts GUE. The kernel does not load it by
// itself.
const fouModule = "fou"

// command returns the command of ip(8) that adds or deletes a port.
func command(g rtnl.GUEPort, verb string) string {
	six, gue := "", ""
	if g.IPv6 {
		six = "-6 "
	}
	if verb == "add" {
		gue = " gue"
	}
	return fmt.Sprintf("ip %sfou %s port %d%s", six, verb, g.Port, gue)
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
