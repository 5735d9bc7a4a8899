package director

import (
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/health"
	"github.com/shunt-lb/shunt/director/internal/recent"
	"github.com/shunt-lb/shunt/director/internal/request"
)

// notChecked is the cause of a server's state before its first check.
const notChecked = "not checked yet"

// A server is a real server in one virtual service: its health by checks, and its
// state by the operator, which wins.
type server struct {
	conf *config.Real
	// checks are those of the server, the ordinary one first; none with checktype
	// on and off.
	checks checkList
	// addr is where the dataplane sends traffic; it differs from conf.Addr
	// where the forwarding method cannot change ports.
	addr   netip.AddrPort
	tunnel dataplane.Tunnel
	serverHistory
}

// A serverHistory is the state of a real server that a reload keeps.
type serverHistory struct {
	health health.Health // by all checks, see checkList.health
	// assumed reports that the server is up by initstate=up alone.
	assumed bool
	// maintenance names the file that keeps the server out, "" for none.
	maintenance string
	// kept is the directive that keeps the server in use although its checks fail,
	// "" for none.
	kept string
	// shifted is a change that cluster.judge will report, nil for none.
	shifted *shift

	cause       string
	since       time.Time
	transitions uint64
	request     *request.Request // of all checks, see checkList.request
	recent      recent.Results
	// awaited is the time since which the first result is awaited.
	awaited   time.Time
	good, bad uint64
	few       *few // nil: the server has nothing of it
}

// A few is what few servers have, above all those that have been down.
type few struct {
	order    *order    // of an operator, nil for none
	failedAt time.Time // since when its checks fail
	ramp     ramp
	warnings warnings
	// hastened counts the checks that were hastened, the latest at hastenedAt.
	hastened   uint64
	hastenedAt time.Time
	// remindAt is when the next mail about the server being down is due,
	// zero for none.
	remindAt time.Time
}

// seldom returns what few servers have, to be read.
func (h *serverHistory) seldom() few {
	if h.few == nil {
		return few{}
	}
	return *h.few
}

// own returns what few servers have, to be changed.
func (h *serverHistory) own() *few {
	if h.few == nil {
		h.few = &few{}
	}
	return h.few
}

// clone returns a copy for another server.
func (h *serverHistory) clone() serverHistory {
	c := *h
	if h.few != nil {
		c.few = new(*h.few)
		if h.few.order != nil {
			c.few.order = new(*h.few.order)
		}
	}
	if h.shifted != nil {
		c.shifted = new(*h.shifted)
	}
	return c
}

// set makes s, which is new, the real server r of v. room is for its checks.
func (s *server) set(v *config.Virtual, r *config.Real, room checkList) {
	s.conf, s.addr, s.tunnel = r, v.ID.Mapped(r.Addr, r.Forward), v.TunnelTo(r.Forward)
	s.checks = checksOf(v, r, room)
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
}

func (s *server) state() State {
	switch ordered := s.ordered(); {
	case s.maintenance != "" || ordered == Maintenance:
		return Maintenance
	case ordered == Drain && (s.health.Up || !s.health.Failed && s.checks.unchecked()):
		return Drain
	case ordered == "" && s.request.Maint():
		return Maintenance
	case ordered != "":
		return Down
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
	return s.state() != Down || s.keptOut() || s.health.Failed || !s.checks.unchecked()
}

// foundDown reports whether the server is down because a check has found it so, also one
// that an operator drains.
func (s *server) foundDown() bool { return s.state() == Down && s.health.Failed }

// weight returns the weight in force.
func (s *server) weight() int {
	if s.inUse() {
		return s.request.Weigh(s.fullWeight())
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
