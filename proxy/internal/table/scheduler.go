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
	// update sets the real servers. It is also called when a property of one has
	// changed.
	update(servers []*Server)
	// next returns the server for r, nil if none takes it.
	next(r request) *Server
}

// A request is what a scheduler may use of a client.
type request struct {
	client netip.AddrPort
	tried  []*Server
	aside  []*Server // those of tried at which the client stays pinned
}

// A kind is a scheduler with a name.
type kind struct {
	flags []string // its flags with a name
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

// byPort reports whether the port of a client is hashed: that is the second flag
// of sh and mh. The first is the fallback, which is always on.
func byPort(v dataplane.VirtualService) bool {
	return slices.Contains(v.SchedFlags, v.Scheduler+"-port") || slices.Contains(v.SchedFlags, "flag-2")
}

// follow returns the position in now of the server at position i of was, or of
// the nearest one before it that is still there, so that the next server stays
// the next; -1 if there is none.
func follow(was, now []*Server, i int) int {
	for ; i >= 0; i-- {
		if at := slices.Index(now, was[i]); at >= 0 {
			return at
		}
	}
	return -1
}
