// Package config reads ldirectord.cf: a file in, a validated Config out, or
// every error of the file at once, each with file, line, column, the line
// itself and a hint.
//
// Inheritance is resolved on the way: a Virtual holds the values in force for
// it, and Origins tell where each of them came from.
package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/config/internal/lookup"
	"github.com/shunt-lb/shunt/dataplane"
)

// A Config is one configuration file, read, checked and resolved. It does not
// change after Load has returned it.
type Config struct {
	// Path is the file as it was named to Load.
	Path     string
	Global   Global
	Virtuals []Virtual // in the order of the file
	// Warnings name what was accepted although ldirectord refuses it, and
	// what cannot work as written.
	Warnings Problems
	// Waiting is what the file names and was not to be had: addresses of names,
	// lists of clients, pages. What depends on it is left out, or is as it was in
	// Options.Before.
	Waiting Problems
	// LeftOut is how many virtual services are not among Virtuals because of what
	// is Waiting.
	LeftOut int

	known   map[lookup.Question]lookup.Result // what was found for Virtuals
	lists   map[string]listing
	missing []Pos // what is in Waiting, all of it
}

// Await adds p to what c waits for. Only the maker of a Config may call it,
// before anybody else has c.
func (c *Config) Await(p Problem) {
	p.Severity = Waiting
	c.Waiting, c.missing = append(c.Waiting, p), append(c.missing, p.Pos)
}

// WaitsAt reports whether c waits for something that the line of pos names.
func (c *Config) WaitsAt(pos Pos) bool {
	return slices.ContainsFunc(c.missing, func(p Pos) bool { return p.File == pos.File && p.Line == pos.Line })
}

// SameWait reports whether c and other, which are of one text, wait for the
// same.
func (c *Config) SameWait(other *Config) bool { return slices.Equal(c.missing, other.missing) }

// Global holds the directives outside of sections.
type Global struct {
	// Settings are the defaults that virtual services inherit.
	Settings
	// Fallback6 is the fallback that services of IPv6 inherit; Fallback is
	// that of the others, and of all where there is only one.
	Fallback6      *Fallback
	AutoReload     bool
	Callback       string // program run after the file has changed
	LogFile        string // "" none given; "/..." a file; else a syslog facility
	Execute        []string
	Supervised     bool
	Fork           bool
	ReaddQuiescent bool
	// CheckConcurrency is how many checks run at once, 0 as many as open files
	// allow.
	CheckConcurrency int
	MaintenanceDir   string
	EmailAlertFrom   string
	WebhookCA        string         // PEM file of whom webhooks trust, "" the system's
	AlertLimit       dataplane.Rate // for each receiver of mails or events; zero is none
	Strict           bool
	ManageSysctl     bool // set the kernel's settings that the services need
	// After how long IPVS forgets a connection on which nothing moves, in
	// whole seconds; 0 leaves the kernel's value alone.
	TCPTimeout, TCPFinTimeout, UDPTimeout time.Duration
	// The bounds of the proxy as a whole; 0 is as the machine allows.
	MaxConnections, MaxFlows int
	MaxBuffers               int64 // bytes
	Origins                  Origins
}

// Settings are the directives that may stand outside of sections, as defaults,
// and inside of one, for it alone.
type Settings struct {
	// Options are those that the dataplane interprets.
	dataplane.Options
	CheckTimeout     time.Duration
	NegotiateTimeout time.Duration
	CheckInterval    time.Duration
	FastInterval     time.Duration // between checks of a server about to change; never 0
	DownInterval     time.Duration // between checks of a server that is down; never 0
	CheckCount       int           // attempts of a ping check
	FailureCount     int           // consecutive failures until down
	RiseCount        int           // consecutive successes until up
	InitState        string        // before the first check: one of the constants
	Quorum           int           // weight of usable servers that a service needs
	Hysteresis       int           // how far beyond Quorum it takes for a change
	QuorumUp         string        // command
	QuorumDown       string        // command
	MaxDown          int           // percent of the servers that checks take out
	FailOpen         bool
	Fallback         *Fallback // nil: none
	FallbackCommand  string
	EmailAlert       []string
	EmailAlertFreq   time.Duration // between reminders, 0 none
	EmailAlertStatus AlertStates
	SMTP             string // relay host; "": the local mail program
	Webhook          string // URL that events are posted to, "" none
	Notify           string // command run for each event, "" none
	Quiescent        bool
	CleanStop        bool
	// Dataplane is the name of a dataplane, "" for the default one.
	Dataplane string
	// Tunnel is what the directives say; TunnelTo is what comes of it.
	Tunnel dataplane.Tunnel
	// Interface is the link that shunt puts the VIP on, "" if that is
	// somebody else's business.
	Interface string
	// MaxConn is the number of connections that a real server is given at a
	// time, unless its line says otherwise; 0 is no limit.
	MaxConn int
	// OnDown is "keep" or "cut": what becomes of connections to a server that
	// is found down.
	OnDown string
	// CheckPath is "direct" or CheckPathVIP.
	CheckPath string
	// Observe is "none" or ObserveConnect. ErrorLimit means nothing without it.
	Observe string
	// TrustedProxies are those whose connections begin with such a header.
	TrustedProxies Clients
	// SlowStart is how long a real server that comes back takes to its whole
	// weight, 0 no time at all. Ramp is what comes of it.
	SlowStart    time.Duration
	DrainTimeout time.Duration // how long a graceful stop waits for connections
	SorryPage    string        // file or folder, "" the built-in page
	SorryStatus  int           // HTTP status of the sorry page, 503 unless set
	// Verify is what checks over TLS look at in a certificate: "yes", "no", or
	// the file that Roots were read from; "" where no check speaks TLS.
	Verify string
	Roots  *Roots // nil: those of the system
	// ClientCert and ClientKey are the files that Virtual.Client was read from.
	ClientCert, ClientKey string
	MinValid              time.Duration // how long a certificate has to be valid, 0: just now
	// CheckReset has checks end their connections by a reset.
	CheckReset bool
	// Allow are the clients that are served, all if there are none, Deny those
	// of them that are not.
	Allow, Deny Clients
}

// The states that initstate gives a real server before its first check: that
// in which the dataplane has it from before, down, or up.
const (
	InitKernel = "kernel"
	InitDown   = "down"
	InitUp     = "up"
)

// CheckPathVIP has real servers checked by their VIP, too.
const CheckPathVIP = "vip"

// ObserveConnect has failed connections of the proxy hasten checks.
const ObserveConnect = "connect"

// AlertStates is the set of daemon states in which mail is sent.
type AlertStates uint8

// The daemon states of emailalertstatus.
const (
	AlertStarting AlertStates = 1 << iota
	AlertRunning
	AlertStopping
	AlertReloading
	AlertAll = AlertStarting | AlertRunning | AlertStopping | AlertReloading
)

// A Fallback is what answers while no real server of a service can.
type Fallback struct {
	// Sorry: the built-in sorry server answers (`fallback = sorry`), Addr is
	// the zero value.
	Sorry bool
	// Addr has port 0 only in Global, when each service puts in its own, and
	// behind firewall marks.
	Addr    netip.AddrPort
	Forward dataplane.Forward
	Pos     Pos
}

// CheckType is how a real server is checked.
type CheckType uint8

// The check types of ldirectord.cf. CheckCombined is checktype=N.
const (
	CheckNegotiate CheckType = iota
	CheckConnect
	CheckPing
	CheckExternal
	CheckExternalPerl
	CheckOff
	CheckOn
	CheckCombined
)

// A Virtual is one virtual service with everything that is in force for it.
type Virtual struct {
	Settings
	ID            dataplane.ServiceID
	Pos           Pos // of the virtual line
	Reals         []Real
	CheckType     CheckType
	CombinedN     int    // connects between two negotiations, with CheckCombined
	Service       string // what a negotiate check speaks
	CheckPort     uint16 // 0: as CheckAddr says
	CheckCommand  string
	CheckFile     string   // of service file
	CommandWeight string   // "yes", "percent" or "no": whether the exit status of CheckCommand is a weight
	Request       string   // as the file has it, with its leading slash
	Receive       *Pattern // nil: anything will do
	HTTPMethod    string   // GET or HEAD
	HTTPVersion   int      // 1 or 2
	ReceiveStatus string   // list of statuses, "" is 2xx
	BodyDigest    string   // SHA-256 in hexadecimal, "" for any
	Headers       []string // "Name: value"; values may be secret
	VirtualHost   string
	Login         string
	Passwd        string
	Database      string
	Secret        string
	Checks        []Check     // beside the ordinary one
	Agent         *Check      // nil: none
	Client        *ClientPair // shown by checks over TLS, nil: none
	Load          string
	Scheduler     string
	SchedFlags    []string
	Persistent    time.Duration
	// PersistentBits is the prefix length of netmask, 32 or 128 without one.
	PersistentBits int
	OnePacket      bool // ops
	MonitorFile    string
	ServiceName    string
	Comment        string
	Origins        Origins
}

// A Real is one real server of a section. A range has become one Real for
// each of its addresses.
type Real struct {
	// Addr is as the file has it: port 0 where it names none.
	Addr         netip.AddrPort
	Name         string // the host as written: an address or a name
	Forward      dataplane.Forward
	Weight       int
	Upper, Lower uint32
	MaxConn      uint32 // its own, else that of the section
	// Request and Receive are in force for this server: its own, else those
	// of the section.
	Request string
	Receive *Pattern
	Pos     Pos
}

// Origins tell, by directive, where a value came from. A directive that is
// not in it has its default.
type Origins map[string]Origin

// An Origin is where a value came from.
type Origin struct {
	// Pos is the line that set the value; its Line is 0 when no line did.
	Pos Pos
	// Note explains a value that was inherited or derived: "global",
	// "from port 80", "from checktimeout".
	Note string
}

// String returns the word that ldirectord.cf uses. CheckCombined has none of
// its own, the file gives its number: "combined" stands for it.
func (t CheckType) String() string {
	return [...]string{"negotiate", "connect", "ping", "external", "external-perl", "off", "on", "combined"}[t]
}
