package director

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// An Explanation says how what a name means stands, and what happens next. It is a copy
// that belongs to the caller. Its JSON form is that of the API.
type Explanation struct {
	At time.Time `json:"at"`
	// Services are those that the name means, or those that have the real server it
	// means, with nothing but that.
	Services []ServiceExplanation `json:"services"`
	// Waiting are the lines of the configuration that name what is not there, among
	// those that have the name.
	Waiting []string `json:"waiting,omitempty"`
}

// A ServiceExplanation is one virtual service.
type ServiceExplanation struct {
	Service ServiceStatus `json:"service"`
	// Whole reports that the service was asked for, and not one of its real servers.
	Whole bool `json:"whole"`
	// Line is where the configuration has it: "ldirectord.cf:12".
	Line string `json:"line"`
	// Servers are those of Service, in its order.
	Servers []ServerExplanation `json:"servers"`
	// Repairs are what somebody else has changed lately in the dataplane and shunt has
	// put right, the latest last.
	Repairs []Repair `json:"repairs,omitempty"`
}

// A ServerExplanation is what a ServerStatus does not say.
type ServerExplanation struct {
	Server string `json:"server"`
	Name   string `json:"name,omitempty"` // of the host, where the configuration has a name
	Line   string `json:"line"`
	// Failures in a row take the server out, and Successes bring it back.
	Failures  int `json:"failurecount"`
	Successes int `json:"risecount"`
	// Every is the time between two of its checks as things are, 0 if it is not
	// checked. Next is when one is due, zero while one is under way.
	Every Seconds   `json:"check_every_seconds,omitempty"`
	Next  time.Time `json:"next_check,omitzero"`
	// MaintenanceFile keeps the server out, "" for none.
	MaintenanceFile string `json:"maintenance_file,omitempty"`
	// Whole is when a slow start gives the server its whole weight, zero outside of one.
	Whole time.Time `json:"slow_start_until,omitzero"`
	// Latest are the results of the latest checks, the latest one first.
	Latest []CheckResult `json:"latest_checks"`
}

// A Repair is a change by somebody else that was put right.
type Repair struct {
	At      time.Time `json:"at"`
	Changes string    `json:"changes"`
}

const (
	explainedChecks  = 5 // how many results an explanation has
	explainedRepairs = 3
)

// Explain explains the virtual services that name means: protocol and address, an
// address alone, a mark or a servicename; and if it means none, the real servers: an
// address or a host name, with the port or without, in the services that service names,
// "" for all. An *OrderError says that the configuration has nothing of that name.
func (o *Operator) Explain(ctx context.Context, name, service string) (Explanation, error) {
	e := Explanation{At: time.Now()}
	var unknown error
	err := o.d.do(ctx, func() {
		e.Waiting = slices.DeleteFunc(slices.Clone(o.d.conf.Waiting), func(line string) bool { return !names(line, name) })
		if e.Services = o.explain(name, service); len(e.Services)+len(e.Waiting) == 0 {
			unknown = orders{o.d.cluster}.nothing(name, service)
		}
	})
	if err = cmp.Or(err, unknown); err != nil {
		return Explanation{}, err
	}
	repairs, _, _ := o.d.record.After(0)
	for i := range e.Services {
		one := &e.Services[i]
		if served, err := dataplane.Look(ctx, o.d.o.Dataplane, one.Service.ID); err == nil { // without it there are no counters
			st := Status{Services: []ServiceStatus{one.Service}}
			st.count([]dataplane.ServiceStatus{served})
			one.Service = st.Services[0]
		}
		one.repairs(repairs)
	}
	return e, nil
}

// names reports whether a line about what is missing names a host, with a port or
// without.
func names(line, host string) bool {
	whole, _, _ := strings.Cut(host, ":")
	return whole != "" && slices.Contains(strings.FieldsFunc(line, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}), whole)
}

// explain runs in the loop.
func (o *Operator) explain(name, service string) []ServiceExplanation {
	wholes, parts := []ServiceExplanation{}, []ServiceExplanation{} // JSON shows an empty list
	for _, sv := range o.d.cluster.services {
		if service != "" && !sv.named(service) {
			continue
		}
		if sv.named(name) {
			wholes = append(wholes, o.explainService(sv, func(*server) bool { return true }))
			wholes[len(wholes)-1].Whole = true
		} else if slices.ContainsFunc(sv.servers, func(s *server) bool { return s.named(name) }) {
			parts = append(parts, o.explainService(sv, func(s *server) bool { return s.named(name) }))
		}
	}
	if len(wholes) > 0 {
		return wholes
	}
	return parts
}

// explainService explains the servers of a service that are meant.
func (o *Operator) explainService(sv *service, meant func(*server) bool) ServiceExplanation {
	e := ServiceExplanation{Service: sv.status(), Line: sv.conf.Pos.String(), Servers: []ServerExplanation{}}
	all := e.Service.Servers
	e.Service.Servers = []ServerStatus{}
	for i, s := range sv.servers {
		if meant(s) {
			e.Service.Servers = append(e.Service.Servers, all[i])
			e.Servers = append(e.Servers, o.explainServer(sv, s))
		}
	}
	return e
}

func (o *Operator) explainServer(sv *service, s *server) ServerExplanation {
	e := ServerExplanation{
		Server: s.conf.Addr.String(), Line: s.conf.Pos.String(), Failures: sv.conf.FailureCount, Successes: sv.conf.RiseCount,
	}
	if s.maintenance != "" {
		e.MaintenanceFile = filepath.Join(o.d.cluster.reports.alerts.global.MaintenanceDir, s.maintenance)
	}
	if s.conf.Name != s.conf.Addr.Addr().String() {
		e.Name = s.conf.Name
	}
	for i := range s.checks {
		k := &s.checks[i]
		if pace := Seconds(k.pace()); i == 0 || pace < e.Every {
			e.Every = pace
		}
		if due, ok := o.d.prober.Due(k.ID); ok && (e.Next.IsZero() || due.Before(e.Next)) {
			e.Next = due
		}
	}
	if r := s.seldom().ramp; r.step > 0 {
		e.Whole = r.from.Add(sv.conf.Ramp())
	}
	latest := resultsOf(&s.recent, sv.names)
	slices.Reverse(latest)
	e.Latest = latest[:min(len(latest), explainedChecks)]
	return e
}

// repairs adds the latest repairs of the service among events.
func (e *ServiceExplanation) repairs(all []Event) {
	for i := range all {
		if all[i].Event == "repaired" && all[i].Service == e.Service.Service {
			e.Repairs = append(e.Repairs, Repair{At: all[i].Time, Changes: all[i].Reason})
		}
	}
	e.Repairs = e.Repairs[max(0, len(e.Repairs)-explainedRepairs):]
}

// nothing says that a name means nothing.
func (c orders) nothing(name, service string) error {
	there, err := c.serversOf(service)
	if err != nil {
		return err
	}
	return orderErrorf("no virtual service and no real server is called %s%s", name, nearest(name, append(there, c.serviceNames()...)))
}
