package ipvs

import (
	"net/netip"

	"github.com/shunt-lb/shunt/dataplane"
)

// A table is the virtual services of one network namespace. Errors are, or
// wrap, errnos: ESRCH for a service that is not there, ENOENT for a real
// server or a scheduler that is not, EEXIST for what is there already.
// Methods are called one at a time.
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
	renewed(tell func()) // has tell called after the table was made anew, which is empty then
	close()
}

// A viewer reads a table beside those who change it. Its methods are called one
// at a time.
type viewer interface {
	read(id dataplane.ServiceID) (entry, error)
	services() (map[dataplane.ServiceID]entry, error) // without their real servers
	servers(id dataplane.ServiceID) ([]serverEntry, error)
	// prints returns for each service a number that is another one when the
	// service, or a real server of it, has changed in what prints looks at, nil
	// if that is not to be had. Services that a firewall mark has in both
	// families have one together, that of IPv4.
	prints() map[dataplane.ServiceID]uint64
}

// options are what the kernel knows of a service beside which one it is.
type options struct {
	scheduler string
	flags     uint32
	timeout   uint32 // of persistence, in seconds
	netmask   uint32 // IPv4: the mask as it lies in memory; IPv6: length of the prefix
	engine    string // of persistence; shunt uses none
}

// A server is what the kernel knows of a real server. Its address, and
// nothing else, tells it from others.
type server struct {
	addr         netip.AddrPort
	method       uint32 // of forwarding
	tunnel       tunnel // with methodTunnel
	weight       int
	upper, lower uint32
}

// A state is what a service is, or is to be. Servers are in the order in
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

// state returns what can be changed about e.
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
