package director

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/dataplane"
)

// A Status is the state of the director at one moment. It is a copy that belongs
// to the caller. Its JSON form is that of the API.
type Status struct {
	// API is the version of the API, and Version that of shunt. Both are set by the
	// server of the API, and 0 and "" elsewhere.
	API       int             `json:"api"`
	Version   string          `json:"version"`
	Started   time.Time       `json:"started"`
	Dataplane DataplaneStatus `json:"dataplane"`
	Config    ConfigStatus    `json:"config"`
	// Ready reports that the dataplane has every service as the director wants it, and
	// that the director is not stopping. Unready is why not.
	Ready   bool   `json:"ready"`
	Unready string `json:"unready,omitempty"`
	// Stopping reports that Stop has begun.
	Stopping bool            `json:"stopping,omitempty"`
	Services []ServiceStatus `json:"services"` // in the order of the configuration
	// Unsaved is why orders of operators cannot be saved: a restart would forget them;
	// empty if they can, or nobody has asked for it.
	Unsaved string `json:"orders_unsaved,omitempty"`
	// Transitions are the latest ones, oldest first.
	Transitions []Transition `json:"transitions"`
}

// A DataplaneStatus is the state of the default dataplane.
type DataplaneStatus struct {
	Name   string `json:"name"`
	Reason string `json:"reason"` // "asked for", "auto: the kernel has no IPVS"
	// Error is why the dataplane could not be read, if it could not.
	Error string `json:"error,omitempty"`
	// Repairs counts services put right after somebody else changed them.
	Repairs uint64 `json:"repairs"`
	// Load is the use of a dataplane that makes connections itself. The director
	// leaves it nil; the daemon adds it.
	Load *dataplane.Load `json:"load,omitempty"`
}

// A ConfigStatus describes the configuration in force.
type ConfigStatus struct {
	Path   string    `json:"path"`
	Loaded time.Time `json:"loaded"` // when the one in force was put in force
	// Reloads counts those put in force after the start, ReloadFailures those
	// refused.
	Reloads        uint64 `json:"reloads"`
	ReloadFailures uint64 `json:"reload_failures"`
	// ReloadError is why the latest attempt failed, a line for each problem;
	// empty when it succeeded.
	ReloadError string    `json:"reload_error,omitempty"`
	ReloadTried time.Time `json:"reload_tried,omitzero"`
	Warnings    []string  `json:"warnings,omitempty"`
	// Waiting are the names without an address and the missing files that the
	// configuration in force refers to. The director looks for them again.
	Waiting []string `json:"waiting,omitempty"`
}

// A ServiceStatus is one virtual service.
type ServiceStatus struct {
	ID         dataplane.ServiceID `json:"-"`
	Service    string              `json:"service"` // ID.String()
	Name       string              `json:"name,omitempty"`
	Scheduler  string              `json:"scheduler"`
	Persistent Seconds             `json:"persistent_seconds,omitempty"`
	Check      string              `json:"check"` // "negotiate http", "connect"
	// Verify is what checks over TLS look at in a certificate: "yes", "no", a file
	// of authorities; empty if they speak no TLS.
	Verify string `json:"verify,omitempty"`
	// Fallback is the server that answers when no real server can: an address or
	// "sorry"; empty for none.
	Fallback string `json:"fallback,omitempty"`
	// Served reports that the dataplane has the service as the director wants it.
	Served bool `json:"served"`
	// Starting reports that the service has not begun, because the first results of
	// its real servers are awaited. The dataplane has it as it was before.
	Starting       bool `json:"starting,omitempty"`
	FallbackActive bool `json:"fallback_active"`
	// Quorum is nil where no directive asks for it.
	Quorum *QuorumStatus `json:"quorum,omitempty"`
	// ErrorLimit is how many failed connections in a row hasten a check, 0 if they
	// do not.
	ErrorLimit int `json:"error_limit,omitempty"`
	// FailOpen reports that servers with failing checks serve in place of the
	// fallback.
	FailOpen bool           `json:"fail_open,omitempty"`
	Servers  []ServerStatus `json:"servers"`
	// Error is why the dataplane does not serve the service as wanted.
	Error string `json:"error,omitempty"`
	// Counters include the fallback and real servers that were removed.
	Counters dataplane.Counters `json:"counters"`
	// Waiting is the number of clients that wait for a real server now.
	Waiting int `json:"waiting,omitempty"`
	// Full reports that clients wait to be accepted: the service has reached its
	// share of the dataplane's connections.
	Full             bool               `json:"full,omitempty"`
	FallbackCounters dataplane.Counters `json:"fallback_counters"`
	// Admin is what an operator has ordered about the fallback, nil for nothing.
	Admin *Admin `json:"admin,omitempty"`
	// Warnings are about the service as a whole; they take no real server out of use.
	Warnings []string `json:"warnings,omitempty"`
	// Changed lists what somebody else has changed about the service in the
	// dataplane; shunt puts it right within seconds.
	Changed []string `json:"changed,omitempty"`
	// CheckDurations are those of all checks of its real servers.
	CheckDurations Histogram `json:"-"`

	asked    *dataplane.VirtualService // last applied, nil for none
	scale    int                       // of the weights in it
	fallback netip.AddrPort            // its address in the dataplane; zero for the sorry server
}

// A QuorumStatus tells whether the usable real servers of a service weigh enough.
type QuorumStatus struct {
	Quorum     int `json:"quorum"`
	Hysteresis int `json:"hysteresis"`
	// Weight is that of the usable real servers, in units of the configuration.
	Weight  int  `json:"weight"`
	Reached bool `json:"reached"`
}

// A ServerStatus is one real server of a service.
type ServerStatus struct {
	Server  string `json:"server"` // address and port as configured
	Forward string `json:"forward"`
	// Tunnel is the type of the tunnel with ipip, if not IP in IP: "gre",
	// "gue port 6080".
	Tunnel string `json:"tunnel,omitempty"`
	// Weight is the configured one, Current the one in force, as the dataplane
	// has it: 0 for a quiescent server.
	Weight  int `json:"weight"`
	Current int `json:"current_weight"`
	// SlowStart is the share of its weight that a server has during a slow start:
	// 0.1 to 0.9, or 0 outside of one. During it the dataplane has multiples of the
	// weights of the service.
	SlowStart float64 `json:"slow_start,omitempty"`
	// Request is what the real server asks for by a check: "drain",
	// "weight 75% (batch job)"; empty for nothing.
	Request string `json:"request,omitempty"`
	// Expires is when the certificate that it has shown to a check ends, zero if it
	// has shown none.
	Expires time.Time `json:"certificate_expires,omitzero"`
	// Admin is what an operator has ordered about the server, nil for nothing.
	Admin *Admin `json:"admin,omitempty"`
	// State is "up", "pending", "kept", "down", "drain" or "maintenance".
	State State `json:"state"`
	// Kept is the directive that keeps a server in use although its checks fail:
	// "maxdown" or "failopen"; empty for none.
	Kept  string    `json:"kept,omitempty"`
	Since time.Time `json:"since"` // of the latest transition
	// Cause is why the server is in this state.
	Cause string `json:"cause"`
	// Checked is when the latest check ended, zero before the first one.
	Checked  time.Time `json:"checked,omitzero"`
	Duration Seconds   `json:"check_seconds,omitempty"`
	// Result is the latest check's error, empty if it succeeded.
	Result string `json:"result,omitempty"`
	// Reason is why the latest check failed, in one of the words of
	// [checks.Kind]; empty if it succeeded.
	Reason checks.Kind `json:"reason,omitempty"`
	// Warnings are faults of the server that do not take it out of use.
	Warnings []string `json:"warnings,omitempty"`
	// Checks are those of the server where there are several, the ordinary one
	// first. Result is then the error of one that fails.
	Checks []CheckStatus `json:"checks,omitempty"`
	// Fails and Rises are consecutive results; one of them is 0. Of several checks
	// that with the most failures counts or, if none fails, the fewest successes.
	Fails       int    `json:"fails"`
	Rises       int    `json:"rises"`
	ChecksOK    uint64 `json:"checks_ok"`
	ChecksBad   uint64 `json:"checks_failed"`
	Transitions uint64 `json:"transitions"`
	// Hastened counts checks that were made early because clients did not reach
	// the server, by observe.
	Hastened   uint64             `json:"hastened_checks,omitempty"`
	Active     int                `json:"active"`
	Inactive   int                `json:"inactive"`
	Persistent int                `json:"persistent"`
	Counters   dataplane.Counters `json:"counters"`

	addr netip.AddrPort // its address in the dataplane
}

// An Admin is what an operator has ordered, beside a configuration file and its
// folders. It is kept until it is taken back, over reloads and restarts.
type Admin struct {
	// State is Drain or Maintenance, of a fallback Active; empty while only the
	// weight is ordered.
	State State `json:"state,omitempty"`
	// Weight takes the place of the configured one, nil if it does not.
	Weight *int `json:"weight,omitempty"`
	// By is who gave the latest order: "alice (sudo)", "token deploy from 192.0.2.7".
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	// Saved reports that the state file has it.
	Saved bool `json:"saved"`
}

// A CheckStatus is one of several checks of a real server.
type CheckStatus struct {
	// Check is "negotiate http" or, of further checks, what tells the line that
	// asks for it from others: "check=redis port=6379".
	Check string `json:"check"`
	// OK reports that the check finds the server well, by failurecount and risecount.
	OK      bool      `json:"ok"`
	Checked time.Time `json:"checked,omitzero"` // zero before the first one
	// Duration, Result and Reason are those of the latest one, as in a ServerStatus;
	// the name of the check is not repeated in Result.
	Duration Seconds     `json:"check_seconds,omitempty"`
	Result   string      `json:"result,omitempty"`
	Reason   checks.Kind `json:"reason,omitempty"`
	Fails    int         `json:"fails"`
	Rises    int         `json:"rises"`
	// Request is what the real server asks for by the check beside its verdict, as
	// in a ServerStatus.
	Request string `json:"request,omitempty"`
	// Silent reports that an agent says nothing of the server. Its silence changes no
	// state.
	Silent bool `json:"silent,omitempty"`
}

// A CheckResult is one of the latest checks of a real server.
type CheckResult struct {
	Time     time.Time `json:"time"` // when it ended
	Duration Seconds   `json:"seconds"`
	// Check is which of several checks of the real server it was, empty where there
	// is one alone, and of one that is no longer made.
	Check string `json:"check,omitempty"`
	OK    bool   `json:"ok"`
	// Reason is why it failed, in one of the words of [checks.Kind].
	Reason checks.Kind `json:"reason,omitempty"`
	// Result is the error in words, of which only the latest few different ones
	// are kept.
	Result string `json:"result,omitempty"`
}

// A ServerHistory holds the results of the latest checks of a real server.
type ServerHistory struct {
	Service string        `json:"service"`
	Name    string        `json:"name,omitempty"` // servicename
	Server  string        `json:"server"`
	State   State         `json:"state"`
	Since   time.Time     `json:"since"`
	Cause   string        `json:"cause"`
	Checks  []CheckResult `json:"checks"` // oldest first
}

// A Histogram counts the checks of a service by how long they took.
type Histogram struct {
	// Buckets are how many checks took so long at most, by seconds.
	Buckets map[float64]uint64
	Count   uint64
	Sum     time.Duration
}

// A State is the state of a real server or, in a transition, of a fallback.
type State string

// The states of a real server. Maintenance and Drain are the operator's and win.
const (
	Up          State = "up"
	Down        State = "down"
	Maintenance State = "maintenance"
	// Drain is the state of a healthy server that keeps its connections and gets no
	// new ones.
	Drain State = "drain"
	// Pending is the state of a healthy server that the dataplane does not have
	// yet. Only a ServerStatus has it; transitions show it as up.
	Pending State = "pending"
	// Kept is the state of a server that is in use although its checks fail.
	Kept State = "kept"
)

// The states of a fallback, in transitions.
const (
	Active  State = "active"
	Standby State = "standby"
)

// The states of a quorum, in transitions.
const (
	Reached State = "reached"
	Lost    State = "lost"
)

// A Transition is one change of the state of a real server, a fallback or a
// quorum.
type Transition struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Server  string    `json:"server"` // an address, "fallback" or "quorum"
	From    State     `json:"from"`
	To      State     `json:"to"`
	Cause   string    `json:"cause"`
}

// Seconds is a duration that travels in JSON as a number of seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(s).Seconds())
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	// Rounded, because 3.141e-6 seconds is a little less than 3141 ns.
	*s = Seconds(time.Duration(f*1e9 + 0.5))
	return nil
}
