package text

import (
	"fmt"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/director"
)

// A Summary counts the virtual services of a director and their real servers.
type Summary struct {
	Services int
	// Well have what their clients are meant to get: served as wanted, with a usable
	// real server, a quorum, and none in use whose checks fail. The others are counted
	// once, for the first of these that holds.
	Well, NotServed, Starting, Unusable, OnFallback, Failing int

	Servers int
	// Servers in each state; a pending one is up.
	Up, Kept, Down, Drained, Maintained int

	Version string // of shunt, "" if that is not known
	// Unready is why the director is not ready, "" if it is.
	Unready string
}

// Summarize counts what st has.
func Summarize(st director.Status) Summary {
	s := Summary{Services: len(st.Services), Version: st.Version}
	if err := Unready(st); err != nil {
		s.Unready = err.Error()
	}
	for _, sv := range st.Services {
		s.add(sv, sv.Servers)
	}
	return s
}

// add counts sv, which has all its real servers, and those of them that are selected.
func (s *Summary) add(sv director.ServiceStatus, selected []director.ServerStatus) {
	s.service(sv)
	for _, rs := range selected {
		s.server(rs.State)
	}
}

func (s *Summary) service(sv director.ServiceStatus) {
	switch {
	case sv.Error != "" || len(sv.Changed) > 0:
		s.NotServed++
	case sv.Starting:
		s.Starting++
	case sv.FallbackActive:
		s.OnFallback++
	case !Usable(sv):
		s.Unusable++
	case failing(sv) != "" || sv.Quorum != nil && !sv.Quorum.Reached:
		s.Failing++
	default:
		s.Well++
	}
}

func (s *Summary) server(state director.State) {
	s.Servers++
	switch state {
	case director.Down:
		s.Down++
	case director.Kept:
		s.Kept++
	case director.Drain:
		s.Drained++
	case director.Maintenance:
		s.Maintained++
	default:
		s.Up++
	}
}

// Usable reports whether sv has a real server that is given new clients.
func Usable(sv director.ServiceStatus) bool {
	for _, rs := range sv.Servers {
		if rs.Current > 0 && (rs.State == director.Up || rs.State == director.Kept) {
			return true
		}
	}
	return false
}

// OfServices says in a clause how the virtual services are.
func (s Summary) OfServices() string {
	switch {
	case s.Services == 0:
		return "no virtual services"
	case s.Well == s.Services && s.Services == 1:
		return "its virtual service is well"
	case s.Well == s.Services:
		return fmt.Sprintf("all %d virtual services well", s.Services)
	}
	return fmt.Sprintf("%d of %d virtual services well", s.Well, s.Services) + counts(
		counted{s.Unusable, "without a usable real server"},
		counted{s.OnFallback, "on its fallback"},
		counted{s.NotServed, "not served as configured"},
		counted{s.Failing, "below its quorum or with failing servers in use"},
		counted{s.Starting, "starting"},
	)
}

// OfServers says in a clause how the real servers are.
func (s Summary) OfServers() string {
	switch {
	case s.Servers == 0:
		return "no real servers"
	case s.Up == s.Servers && s.Servers == 1:
		return "its real server is up"
	case s.Up == s.Servers:
		return fmt.Sprintf("all %d real servers up", s.Servers)
	}
	return fmt.Sprintf("%d of %d real servers up", s.Up, s.Servers) + counts(
		counted{s.Down, "down"},
		counted{s.Kept, "kept although its checks fail"},
		counted{s.Drained, "drained"},
		counted{s.Maintained, "in maintenance"},
	)
}

type counted struct {
	n    int
	what string
}

// counts lists what there is of all, each with a comma before it.
func counts(all ...counted) string {
	var b strings.Builder
	for _, c := range all {
		if c.n == 0 {
			continue
		}
		what := c.what
		if c.n > 1 {
			what = strings.ReplaceAll(what, "its", "their")
			what = strings.ReplaceAll(what, "their fallback", "their fallbacks")
		}
		fmt.Fprintf(&b, ", %d %s", c.n, what)
	}
	return b.String()
}

// Line says all of it in a sentence, for the director on a host at a time.
func (s Summary) Line(host string, now time.Time) string {
	ready := "ready"
	if s.Unready != "" {
		ready = "NOT READY"
	}
	name := strings.TrimSpace("shunt " + s.Version)
	return fmt.Sprintf("%s on %s: %s; %s; %s; as of %s", name, host, s.OfServices(), s.OfServers(), ready, Clock(now))
}
