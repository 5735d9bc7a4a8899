package text

import (
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/director"
)

// A Filter selects virtual services and real servers. The zero value selects all.
type Filter struct {
	// Service is a virtual service's protocol and address, its address with or
	// without the port, or its servicename.
	Service string
	// Real is a real server's address, with or without the port.
	Real string
	// Down leaves out real servers that are up, and services that have nothing else.
	Down bool
}

// Of returns st with those services and real servers alone that f selects.
func (f Filter) Of(st director.Status) director.Status {
	if f == (Filter{}) {
		return st
	}
	all := st.Services
	st.Services = []director.ServiceStatus{} // JSON shows an empty list
	for _, sv := range all {
		if f.Service != "" && !named(sv, f.Service) {
			continue
		}
		if f.Real != "" || f.Down {
			sv.Servers = f.servers(sv.Servers)
			if len(sv.Servers) == 0 {
				continue
			}
		}
		st.Services = append(st.Services, sv)
	}
	return st
}

// whole returns the services of st by their addresses, each with the real servers that
// a filter leaves out.
func whole(st director.Status) map[string]director.ServiceStatus {
	all := make(map[string]director.ServiceStatus, len(st.Services))
	for _, sv := range st.Services {
		all[sv.Service] = sv
	}
	return all
}

func (f Filter) servers(all []director.ServerStatus) []director.ServerStatus {
	found := []director.ServerStatus{}
	for _, rs := range all {
		if (f.Real == "" || at(rs.Server, f.Real)) && (!f.Down || rs.State != director.Up) {
			found = append(found, rs)
		}
	}
	return found
}

// named reports whether sv is meant by name.
func named(sv director.ServiceStatus, name string) bool {
	_, bare, _ := strings.Cut(sv.Service, " ")
	return name == sv.Service || name == sv.Name || at(bare, name)
}

// at reports whether an address with a port is meant by name, which may lack the
// port.
func at(addr, name string) bool {
	if addr == name {
		return true
	}
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return false
	}
	if b, err := netip.ParseAddrPort(name); err == nil {
		return a == b
	}
	b, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
	return err == nil && a.Addr() == b
}

// concerns reports whether p is about what f selects in st.
func (f Filter) concerns(p Problem, selected director.Status) bool {
	switch {
	case f == (Filter{}):
		return true
	case p.Service == "":
		return false
	}
	for _, sv := range selected.Services {
		if sv.Service != p.Service {
			continue
		}
		if p.Server == "" {
			return f.Real == ""
		}
		for _, rs := range sv.Servers {
			if rs.Server == p.Server {
				return true
			}
		}
	}
	return false
}
