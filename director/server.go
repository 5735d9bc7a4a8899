package director

import (
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/health"
	"github.com/shunt-lb/shunt/director/internal/prober"
	"github.com/shunt-lb/shunt/director/internal/recent"
)

// notChecked is the cause of a server's state before its first check.
const notChecked = "not checked yet"

// A server is a real server in one virtual service: its health by checks, and its
// state by the operator, which wins.
type server struct {
	conf *config.Real
	// checks are those of the server, the ordinary one first; none with checktype
	// on and off.
	checks []check
	// addr is where the dataplane sends traffic; it differs from conf.Addr
	// where the forwarding method cannot change ports.
	addr   netip.AddrPort
	tunnel dataplane.Tunnel
	serverHistory
}

// A serverHistory is the state of a real server that a reload keeps.
type serverHistory struct {
	health health.Health // by all checks, see healthOf
	// maintenance names the file that keeps the server out, "" for none.
	maintenance string
	// kept is the directive that keeps the server in use although its checks fail,
	// "" for none. failedAt is since when they do.
	kept     string
	failedAt time.Time
	// shifted is a change that cluster.judge will report.
	shifted shift
	// assumed: the server is up without a reason but initstate=up.
	assumed bool

	cause       string
	since       time.Time
	transitions uint64
	ramp        ramp
	request     request       // of all checks, see requestOf
	last        prober.Result // the latest one, with the error that trouble says
	recent      recent.Results
	warnings    warnings
	// awaited is since when the first result is awaited.
	awaited   time.Time
	good, bad uint64
	// hastened counts the checks that were hastened, the latest at hastenedAt.
	hastened   uint64
	hastenedAt time.Time
	// remindAt is when the next mail about the server being down is due,
	// zero for none.
	remindAt time.Time
}

func newServer(v *config.Virtual, r *config.Real) *server {
	s := &server{conf: r, addr: v.ID.Mapped(r.Addr, r.Forward), tunnel: v.TunnelTo(r.Forward)}
	s.checks = checksOf(v, r)
	s.cause = notChecked
	switch {
	case v.CheckType == config.CheckOn:
		s.setHealth(true)
		s.cause = "checktype=on"
	case v.CheckType == config.CheckOff:
		s.cause = "checktype=off"
	case v.InitState == config.InitUp:
		s.setHealth(true)
		s.assumed, s.cause = true, "initstate=up: not checked yet"
	}
	return s
}

func (s *server) state() State {
	switch {
	case s.maintenance != "" || s.request.admin == checks.Maint:
		return Maintenance
	case s.health.Up:
		return Up
	case s.kept != "":
		return Kept
	}
	return Down
}

// inUse reports whether the server is up, or kept in use.
func (s *server) inUse() bool { return s.state().inUse() }

func (st State) inUse() bool { return st == Up || st == Kept }

// usable reports whether new connections can go to the server.
func (s *server) usable() bool { return s.weight() > 0 }

// settled reports whether the server's state is known rather than assumed.
func (s *server) settled() bool {
	return s.state() != Down || s.health.Failed || !s.unchecked()
}

// foundDown reports whether a check has found the server down, and nothing else
// keeps it out.
func (s *server) foundDown() bool { return s.state() == Down && s.health.Failed }

// weight returns the weight in force.
func (s *server) weight() int {
	if s.inUse() {
		return s.request.weigh(s.conf.Weight)
	}
	return 0
}

// wanted returns the server for the dataplane, in a service whose weights are
// multiplied by scale.
func (s *server) wanted(scale int) dataplane.RealServer {
	return dataplane.RealServer{
		Addr: s.addr, Forward: s.conf.Forward, Tunnel: s.tunnel, Weight: s.scaled(scale),
		Upper: s.conf.Upper, Lower: s.conf.Lower, MaxConn: s.conf.MaxConn,
	}
}
