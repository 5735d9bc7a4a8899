package engine

import (
	"os"
	"strconv"
	"strings"
)

// Ports are the local ports that the kernel chooses from.
type Ports struct {
	first, last uint16
	count       int // without reserved ones
}

// Count returns how many there are.
func (p *Ports) Count() int { return p.count }

// ForFlows returns how many flows the ports allow. Each flow takes one, and an
// eighth is left for other programs.
func (p *Ports) ForFlows() int { return max(1, p.count-(p.count+7)/8) }

func (p *Ports) has(port uint16) bool { return p.first <= port && port <= p.last }

// LocalPorts reads the ports from the kernel. If it does not tell they are all
// ports.
func LocalPorts() Ports {
	p := Ports{first: 1, last: 1<<16 - 1}
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if f := strings.Fields(string(b)); err == nil && len(f) == 2 {
		p.first, p.last = portNumber(f[0]), portNumber(f[1])
	}
	reserved, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_reserved_ports")
	p.count = max(0, int(p.last)-int(p.first)+1) - p.among(string(reserved))
	return p
}

// among returns how many ports of a list, such as 8080,9000-9010, are among p.
func (p *Ports) among(list string) (n int) {
	for item := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(item, "-")
		if !isRange {
			last = first
		}
		from, to := max(portNumber(first), p.first), min(portNumber(last), p.last)
		n += max(0, int(to)-int(from)+1)
	}
	return n
}

// portNumber returns the port in text, 0 if it is none.
func portNumber(text string) uint16 {
	n, _ := strconv.ParseUint(text, 10, 16)
	return uint16(n)
}
