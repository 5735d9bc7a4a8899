package ipvs

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// A verb is what a step does.
type verb uint8

const (
	addService verb = iota
	setService
	addServer
	setServer
	delServer
)

// A step is one write to the table.
type step struct {
	verb    verb
	options options // of the service
	server  server  // the real server
	effect  effect
}

// An effect is what a step means to clients.
type effect int8

const (
	closes effect = iota - 1 // a real server goes, or takes no new connections any more
	neutral
	opens // a real server takes new connections from now on
)

// diff returns the writes that make want out of have, nil for no service, as few
// as there can be for one that exists. A service that has a usable real server
// before and after has one after each of them: servers that take connections are
// added first, and those that no longer do are removed last.
func diff(have *state, want state) []step {
	if have == nil {
		// With its real scheduler, wrr would begin in the middle of its
		// sequence and mh would be hashed anew for each real server.
		shut := want.options
		shut.scheduler = noScheduler
		build := step{verb: addService, options: shut}
		return append([]step{build}, diff(&state{options: shut}, want)...)
	}
	p := sort(have.servers, want.servers)
	var service []step
	if have.options != want.options {
		service = []step{{verb: setService, options: want.options}}
	}
	if have.scheduler == noScheduler {
		return slices.Concat(p.opening, service, p.other, p.closing, p.leaving)
	}
	return slices.Concat(service, p.opening, p.other, p.closing, p.leaving)
}

// phases are the steps on real servers, in the order in which they are taken.
type phases struct {
	opening []step // takes new connections from now on
	other   []step
	closing []step // takes none any more
	leaving []step
}

// sort compares real servers. The kernel puts an added server at the head of its
// list, so the first one is added last.
func sort(have, want []server) phases {
	var p phases
	old := make(map[netip.AddrPort]server, len(have))
	for _, h := range have {
		old[h.addr] = h
	}
	for _, w := range slices.Backward(want) {
		h, there := old[w.addr]
		delete(old, w.addr)
		if !there || h != w {
			p.add(h, w, there)
		}
	}
	for _, h := range have {
		if _, left := old[h.addr]; left {
			p.leaving = append(p.leaving, step{verb: delServer, server: h, effect: closes})
		}
	}
	return p
}

// add adds the step that makes w out of h, or out of nothing, to its phase.
func (p *phases) add(h, w server, there bool) {
	s := step{verb: addServer, server: w}
	if there {
		s.verb = setServer
	}
	switch {
	case w.weight > 0 && h.weight == 0:
		s.effect = opens
		p.opening = append(p.opening, s)
	case w.weight == 0 && h.weight > 0:
		s.effect = closes
		p.closing = append(p.closing, s)
	default:
		p.other = append(p.other, s)
	}
}

// on applies the step to t.
func (s step) on(t table, id dataplane.ServiceID) error {
	switch s.verb {
	case addService:
		return t.addService(id, s.options)
	case setService:
		return t.setService(id, s.options)
	case addServer:
		return t.addServer(id, s.server)
	case setServer:
		return t.setServer(id, s.server)
	case delServer:
		return t.delServer(id, s.server)
	}
	panic(fmt.Sprintf("no such step: %d", s.verb))
}

// String returns a description of the attempt, for OpError.Op.
func (v verb) String() string {
	return [...]string{"add", "change", "add to", "change on", "remove from"}[v]
}
