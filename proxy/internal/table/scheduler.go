package table

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// A scheduler chooses a real server for a new client. It is called under the
// lock of its service. Real servers for which takes is false are passed over.
type scheduler interface {
	// update says which real servers there are from now on; also called
	// when anything about one has changed.
	update(servers []*Server)
	// next returns the server for r, or nil when none takes it.
	next(r request) *Server
}

// A request is what a scheduler may know about a client.
type request struct {
	client netip.AddrPort
	tried  []*Server
	aside  []*Server // of those tried, where the client stays pinned
}

// A kind is a scheduler that can be asked for by name.
type kind struct {
	flags []string // those that have a name with it
	make  func(v dataplane.VirtualService) scheduler
}

var kinds = map[string]kind{
	"rr":    {make: func(dataplane.VirtualService) scheduler { return &rr{at: -1} }},
	"wrr":   {make: func(dataplane.VirtualService) scheduler { return &wrr{at: -1} }},
	"lc":    {make: func(dataplane.VirtualService) scheduler { return &lc{} }},
	"wlc":   {make: func(dataplane.VirtualService) scheduler { return &wlc{} }},
	"sed":   {make: func(dataplane.VirtualService) scheduler { return &sed{} }},
	"nq":    {make: func(dataplane.VirtualService) scheduler { return &nq{} }},
	"fo":    {make: func(dataplane.VirtualService) scheduler { return &fo{} }},
	"ovf":   {make: func(dataplane.VirtualService) scheduler { return &ovf{} }},
	"lblc":  {make: func(dataplane.VirtualService) scheduler { return &lblc{} }},
	"lblcr": {make: func(dataplane.VirtualService) scheduler { return &lblcr{} }},
	"dh":    {make: newDH},
	"sh":    {flags: []string{"sh-fallback", "sh-port"}, make: newSH},
	"mh":    {flags: []string{"mh-fallback", "mh-port"}, make: newMH},
}

func newScheduler(v dataplane.VirtualService) scheduler { return kinds[v.Scheduler].make(v) }

// Schedulers returns the names of the schedulers there are, sorted.
func Schedulers() []string { return slices.Sorted(maps.Keys(kinds)) }

// Flags returns the scheduler flags that may be given to the scheduler called
// name, and whether there is such a scheduler. The kernel's three flags may be
// given by number to all of them.
func Flags(name string) ([]string, bool) {
	k, ok := kinds[name]
	return append([]string{"flag-1", "flag-2", "flag-3"}, k.flags...), ok
}

// byPort reports whether the port of a client counts: that is the second flag
// of sh and mh. The first is the fallback, which is always on.
func byPort(v dataplane.VirtualService) bool {
	return slices.Contains(v.SchedFlags, v.Scheduler+"-port") || slices.Contains(v.SchedFlags, "flag-2")
}

// follow returns where in now the server is that was at position i of was. If
// that one has gone it is the nearest before it that has not, so that whose
// turn was next is next; -1 if there is none.
func follow(was, now []*Server, i int) int {
	for ; i >= 0; i-- {
		if at := slices.Index(now, was[i]); at >= 0 {
			return at
		}
	}
	return -1
}
