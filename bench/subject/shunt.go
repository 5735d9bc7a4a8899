package subject

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// shunt is this project's director, with one of its dataplanes.
func shunt(plane string) *Subject {
	return &Subject{
		Name: "shunt-" + plane, Kernel: plane == "ipvs",
		version: []string{"version"},
		file:    "ldirectord.cf",
		config:  func(s *Setting) string { return fmt.Sprintf("connecttimeout=%d\n", s.connect()) + bounds(s) + lvs(s) },
		args: func(s *Setting, config string) []string {
			return []string{
				"run", "--config", config, "--dataplane", plane, "--admin", "",
				"--control", s.control(), "--log-level", "warn",
			}
		},
		reloads: unix.SIGHUP,
		serves:  inStatus, removed: removedInStatus, failed: failedInStatus,
	}
}

// BaselineName is the subject that Baseline returns.
const BaselineName = "shunt-baseline"

// Baseline returns the proxy of another shunt, whose program is at path, to be
// measured beside this one's.
func Baseline(path string) *Subject {
	s := shunt("proxy")
	s.Name, s.program = BaselineName, path
	return s
}

func (s *Setting) control() string { return filepath.Join(s.Dir, "control.sock") }

// bounds are those of the proxy.
func bounds(s *Setting) string {
	if s.udp() {
		return fmt.Sprintf("maxflows=%d\n", s.hold())
	}
	return fmt.Sprintf("maxconnections=%d\n", s.hold())
}

// ldirectord is the Perl program whose configuration shunt reads.
func ldirectord() *Subject {
	return &Subject{
		Name: "ldirectord", Kernel: true, program: "ldirectord",
		version: []string{"--version"},
		file:    "ldirectord.cf",
		config:  func(s *Setting) string { return "supervised=yes\n" + lvs(s) },
		args:    func(_ *Setting, config string) []string { return []string{config, "start"} },
		reloads: unix.SIGHUP,
	}
}

// lvs writes a configuration that both read.
func lvs(s *Setting) string {
	var b strings.Builder
	check := "\tservice=none\n\tchecktype=on\n"
	switch {
	case s.Interval > 0 && s.HealthPort > 0 && s.Check != CheckHTTP:
		check = fmt.Sprintf("\tservice=none\n\tchecktype=connect\n\tcheckport=%d\n", s.HealthPort)
		if s.Check == CheckReset {
			check += "\tcheckclose=rst\n"
		}
	case s.Interval > 0 && s.HealthPort > 0:
		check = fmt.Sprintf("\tservice=http\n\tchecktype=negotiate\n\tcheckport=%d\n\trequest=\"/\"\n\treceive=\"well\"\n", s.HealthPort)
	case s.Interval > 0:
		check = "\tservice=none\n\tchecktype=connect\n"
	}
	six := ""
	if s.VIP.Addr().Is6() {
		six = "6"
	}
	protocol := "tcp"
	if s.udp() {
		protocol = "udp"
	}
	fmt.Fprintf(&b, "checkinterval=%d\nchecktimeout=%d\nquiescent=no\n", s.seconds(), s.seconds())
	fmt.Fprintf(&b, "virtual%s=%v\n", six, s.VIP)
	for _, r := range s.Reals {
		fmt.Fprintf(&b, "\treal%s=%v %v %d\n", six, r.Addr, s.Forward, r.Weight)
	}
	fmt.Fprintf(&b, "\tscheduler=%s\n\tprotocol=%s\n%s", s.scheduler(), protocol, check)
	return b.String()
}
