package loop

import (
	"fmt"
	"os"
)

// ports is a range of them.
type ports struct{ first, last uint16 }

func (p ports) has(port uint16) bool { return p.first <= port && port <= p.last }

// ephemeralPorts returns the ports that the kernel chooses from; all of them
// where it does not say.
func ephemeralPorts() ports {
	p := ports{0, 1<<16 - 1}
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(b), &p.first, &p.last)
	}
	return p
}
