// Package subject runs what is measured: directors, configured as somebody
// who knows them would, and no director at all.
package subject

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A Setting is the service that a subject directs, and the place where it runs.
type Setting struct {
	In         *netlab.Namespace // the director's
	Processors []int             // it runs on them alone, one worker each; any if empty
	Dir        string            // its files; a folder for it alone, there already
	Shunt      string            // path of the program shunt
	VIP        netip.AddrPort
	Reals      []Real
	Protocol   string // tcp or udp; "" is tcp
	Scheduler  string // a name of IPVS; "" is wrr
	Forward    dataplane.Forward
	Bulk       bool // long transfers, rather than many short ones
	Hold       int  // connections or flows it has to bear at once
	// Interval is between two checks of one real server, in whole seconds. At
	// 0 none is checked and all are up.
	Interval time.Duration
	// HealthPort is where real servers answer HTTP checks. At 0 a connection
	// to where they serve is the check.
	HealthPort uint16
	Check      Check // made at HealthPort
}

// A Check is the kind of check that is made at HealthPort.
type Check int

// The kinds.
const (
	CheckHTTP    Check = iota
	CheckConnect       // a connection alone, closed as the subject does when nobody asks for more
	CheckReset         // a connection alone, ended by a reset: asked of shunt alone
)

// A Real is a real server.
type Real struct {
	Addr   netip.AddrPort
	Weight int // 0 takes no new connection
}

// A Subject is one thing that is measured. Find returns it.
type Subject struct {
	Name string
	// Kernel says that packets are forwarded by IPVS: the processor time of
	// the subject's processes is not that of its traffic.
	Kernel bool

	program string   // looked for in PATH; "" is shunt's
	version []string // arguments that have it say its version
	file    string   // name of its configuration
	config  func(*Setting) string
	args    func(s *Setting, config string) []string
	refuse  func(*Setting) error
	reloads unix.Signal
	heeds   string // what it says when it reloads; "" if it says nothing
	serves  func(context.Context, *Running, []int) (map[int]bool, error)
	removed func(context.Context, *Running) (map[int]time.Time, error)
	failed  func(context.Context, *Running) (uint64, error)
	leaves  *regexp.Regexp // a line that says when (1) which real server (2) went out of service
}

// Direct is the absence of a director: clients go to the real servers.
const Direct = "direct"

var all = []*Subject{
	shunt("proxy"), haproxy(), nginx(),
	{Name: Direct},
	shunt("ipvs"), ldirectord(), keepalived(),
}

// Names returns all subjects, those that run on any kernel first.
func Names() []string {
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return names
}

// Find returns the subject of a name.
func Find(name string) (*Subject, error) {
	i := slices.IndexFunc(all, func(s *Subject) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("no subject is called %q: there are %s", name, strings.Join(Names(), ", "))
	}
	return all[i], nil
}

// Program returns a subject of its own: a program that is told everything by
// its arguments, and knows no configuration.
func Program(name, path string, args func(*Setting) []string) *Subject {
	return &Subject{
		Name: name, program: path, file: "nothing", config: func(*Setting) string { return "" }, version: []string{"--version"},
		args: func(s *Setting, _ string) []string { return args(s) }, reloads: unix.SIGHUP,
	}
}

// Own reports whether the subject is shunt with one of its dataplanes. Their
// schedulers are those of IPVS, down to the sequence; others bring ones that
// are like them, or have the kernel's, as shunt has.
func (s *Subject) Own() bool { return strings.HasPrefix(s.Name, "shunt-") }

// Checks reports whether the subject looks after real servers by itself.
func (s *Subject) Checks() bool { return s.Name != Direct && s.Name != "nginx" }

// Tells reports whether Removed says when real servers went out of service.
func (s *Subject) Tells() bool { return s.removed != nil && !s.Kernel }

// Refuses returns why the subject cannot do what s wants, in words for a
// report, and nil if it can.
func (s *Subject) Refuses(set *Setting) error {
	if s.refuse == nil {
		return nil
	}
	return s.refuse(set)
}

func (s *Setting) udp() bool { return s.Protocol == "udp" }

// workers is how many of a program's workers share the load.
func (s *Setting) workers() int { return max(1, len(s.Processors)) }

// hold is how many connections the program is configured for: some more than
// it has to bear, and as many as its descriptors allow.
func (s *Setting) hold() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return s.Hold + 1000
	}
	return min(s.Hold+1000, (int(min(limit.Max, 1<<30))-500)/s.descriptors())
}

// descriptors is how many a connection takes: clients of UDP share one.
func (s *Setting) descriptors() int {
	if s.udp() {
		return 1
	}
	return 2
}

// seconds returns the interval of checks, which old programs want whole.
func (s *Setting) seconds() int { return max(1, int(s.Interval/time.Second)) }

// connect returns the seconds that a connection to a real server may take:
// where servers are checked, no longer than their check.
func (s *Setting) connect() int {
	if s.Interval > 0 {
		return s.seconds()
	}
	return 5
}

func (s *Setting) scheduler() string {
	if s.Scheduler == "" {
		return "wrr"
	}
	return s.Scheduler
}
