package realserver

import (
	"fmt"
	"net/netip"

	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// A Step is one change to a machine. It is comparable.
type Step struct {
	do     action
	link   string
	prefix netip.Prefix // of addAddr, delAddr and byHand
	name   string       // of set, reset and addModule
	value  string       // of set and reset
	gue    rtnl.GUEPort // of addPort and delPort
	// What is a sentence about the fault, without a period.
	What string
}

type action uint8

const (
	set   action = iota + 1
	reset        // set to the value of before
	addModule
	addPort
	delPort
	addLink
	linkUp
	linkDown
	addAddr
	delAddr
	byHand // delAddr, which the operator has to decide
)

// Command returns the line that does the step, to be typed by root.
func (s Step) Command() string {
	switch s.do {
	case set, reset:
		return sysctl.Command(s.name, s.value)
	case addLink:
		return "modprobe " + tunnelModules[s.link].name
	case addModule:
		return "modprobe " + s.name
	case addPort:
		return command(s.gue, "add")
	case delPort:
		return command(s.gue, "del")
	case linkUp:
		return "ip link set " + s.link + " up"
	case linkDown:
		return "ip link set " + s.link + " down"
	case addAddr:
		lifetime := ""
		if s.prefix.Addr().Is6() {
			lifetime = " preferred_lft 0 nodad"
		}
		return fmt.Sprintf("ip addr add %v dev %s%s", s.prefix, s.link, lifetime)
	}
	return fmt.Sprintf("ip addr del %v dev %s", s.prefix, s.link)
}

// String returns the fault and the command to type.
func (s Step) String() string { return s.What + "; type: " + s.Command() }
