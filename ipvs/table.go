package ipvs

import (
	"net/netip"

	"github.com/shunt-lb/shunt/dataplane"
)

// A table is the virtual services of one network namespace. Errors are, or wrap,
// errnos: ESRCH for a service that does not exist, ENOENT for a real server or a
// scheduler that does not, EEXIST for one that exists already. Methods are called
// one at a time.
type table interface {
	read(id dataplane.ServiceID) (entry, error)
	addService(id dataplane.ServiceID, o options) error
	setService(id dataplane.ServiceID, o options) error
	delService(id dataplane.ServiceID) error
	addServer(id dataplane.ServiceID, s server) error
	setServer(id dataplane.ServiceID, s server) error
	delServer(id dataplane.ServiceID, s server) error
	applySteps(id dataplane.ServiceID, steps []step) []error // in order, all of them; an error or nil for each
	timeouts() (Timeouts, error)
	setTimeouts(t Timeouts) error
	view() viewer        // always the same
	renewed(tell func()) // tell is called after the table was made anew and is empty
	close()
}

// A viewer reads a table while others change it. Its methods are called one at a
// time.
type viewer interface {
	read(id dataplane.ServiceID) (entry, error)
	services() (map[dataplane.ServiceID]entry, error) // without their real servers
	servers(id dataplane.ServiceID) ([]serverEntry, error)
	// prints returns a number for each service, which changes with whatever
	// prints covers of the service and its real servers; nil if there is no
	// listing. The two services of a firewall mark, one in each family, share the
	// number of that of IPv4.
	prints() map[dataplane.ServiceID]uint64
}

// options are what the kernel knows of a service beside its identity.
type options struct {
	scheduler string
	flags     uint32
	timeout   uint32 // of persistence, in seconds
	netmask   uint32 // IPv4: the mask as it lies in memory; IPv6: length of the prefix
	engine    string // of persistence; shunt uses none
}

// A server is what the kernel knows of a real server, which is identified by its
// address alone.
type server struct {
	addr         netip.AddrPort
	method       uint32 // of forwarding
	tunnel       tunnel // with methodTunnel
	weight       int
	upper, lower uint32
}

// A state is a service as it is, or as it is wanted. Servers are in the order in
// which schedulers go through them, which is the order of the configuration.
type state struct {
	options
	servers []server
}

// An entry is a service as it was read back.
type entry struct {
	options
	counters dataplane.Counters
	servers  []serverEntry // as in state
}

// A serverEntry is a real server as it was read back.
type serverEntry struct {
	server
	counters                     dataplane.Counters
	active, inactive, persistent int
}

// state returns the part of e that can be changed.
func (e entry) state() *state {
	s := &state{options: e.options}
	for _, srv := range e.servers {
		s.servers = append(s.servers, srv.server)
	}
	return s
}

// ipv6 reports whether a service is one of IPv6.
func ipv6(id dataplane.ServiceID) bool {
	return id.IPv6 || id.Addr.Addr().Is6()
}
