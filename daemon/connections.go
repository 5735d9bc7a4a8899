package daemon

import (
	"iter"
	"slices"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/ipvs"
)

// connections is what the dataplanes know of connections. The kernel is read
// while they are iterated over, beside the director; the proxy has no table of
// its own.
func (d *Daemon) connections() admin.Connections {
	all := admin.Connections{Unlisted: d.plane.served(onProxy)}
	if d.plane.kernel.opened() != nil {
		all.All = kernelConnections()
	}
	return all
}

func kernelConnections() iter.Seq2[admin.Connection, error] {
	return func(yield func(admin.Connection, error) bool) {
		for c, err := range ipvs.Connections() {
			next := admin.Connection{
				Protocol: c.Protocol, Client: c.Client, Virtual: c.Virtual, Server: c.Server,
				State: c.State, Expires: director.Seconds(c.Expires),
			}
			if !yield(next, err) {
				return
			}
		}
	}
}

// served names the services that a dataplane serves now, in order.
func (m *mux) served(name string) (services []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, i := range m.on {
		if l := m.leaving[id]; m.planes[i].name == name || l != nil && m.planes[l.from].name == name {
			services = append(services, id.String())
		}
	}
	slices.Sort(services)
	return services
}
