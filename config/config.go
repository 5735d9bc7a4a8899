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
	// Warnings name lines that were accepted although ldirectord refuses them,
	// and settings that cannot work.
	Warnings Problems
	// Waiting are the things that the file names and that were not available:
	// addresses of names, lists of clients, pages. Settings that depend on them
	// are left out, or are as in Options.Before.
	Waiting Problems
	// LeftOut is how many virtual services are missing in Virtuals because of
	// Waiting.
	LeftOut int

	known   map[lookup.Question]lookup.Result // the addresses found for Virtuals
	lists   map[string]listing
	missing []Pos // the lines of Waiting, without a bound
}

// Await adds p to Waiting. Only the maker of a Config may call it, before it
// passes c on.
func (c *Config) Await(p Problem) {
	p.Severity = Waiting
	c.Waiting, c.missing = append(c.Waiting, p), append(c.missing, p.Pos)
}

// WaitsAt reports whether c waits for a thing that the line of pos names.
func (c *Config) WaitsAt(pos Pos) bool {
	return slices.ContainsFunc(c.missing, func(p Pos) bool { return p.File == pos.File && p.Line == pos.Line })
}

// SameWait reports whether c and other, which are of one text, wait for the same
// things.
func (c *Config) SameWait(other *Config) bool { return slices.Equal(c.missing, other.missing) }

// Global holds the directives outside of sections.
type Global struct {
	// Settings are the defaults that virtual services inherit.
	Settings
	// Fallback6 is the fallback that IPv6 services inherit, Fallback that of the
	// others. If only one is set, all services inherit it.
	Fallback6      *Fallback
	AutoReload     bool
	Callback       string // program run after the file has changed
	LogFile        string // "" none given; "/..." a file; else a syslog facility
	Execute        []string
	Includes       []Include
	Supervised     bool
	Fork           bool
	ReaddQuiescent bool
	// CheckConcurrency is how many checks run at once, 0 as many as open files
	// allow.
	CheckConcurrency int
	MaintenanceDir   string
	StateMaxAge      time.Duration // after which orders of before a start do not count, 0: none
	EmailAlertFrom   string
	WebhookCA        string         // PEM file of the authorities that webhooks trust, "" the system's
	AlertLimit       dataplane.Rate // for each receiver of mails or events; zero is none
	Strict           bool
	ManageSysctl     bool // set the kernel's settings that the services need
	// The times after which IPVS forgets a connection on which nothing moves, in
	// whole seconds; 0 leaves the kernel's value.
	TCPTimeout, TCPFinTimeout, UDPTimeout time.Duration
	// The bounds of the proxy as a whole; 0 is as the machine allows.
	MaxConnections, MaxFlows int
	MaxBuffers               int64 // bytes
	Origins                  Origins
}

// Settings are the directives that may stand outside of sections, as defaults,
// and inside of one, for that section.
type Settings struct {
	// Options are the directives that the dataplane interprets.
	dataplane.Options
	CheckTimeout     time.Duration
	NegotiateTimeout time.Duration
	CheckInterval    time.Duration
	FastInterval     time.Duration // between checks of a server that is about to change its state; never 0
	DownInterval     time.Duration // between checks of a server that is down; never 0
	CheckCount       int           // attempts of a ping check
	FailureCount     int           // consecutive failures until down
	RiseCount        int           // consecutive successes until up
	InitState        string        // before the first check: one of the constants
	Quorum           int           // the weight of usable servers that a service needs
	Hysteresis       int           // the distance from Quorum that a change needs
	QuorumUp         string        // command
	QuorumDown       string        // command
	MaxDown          int           // the most that checks take out, in percent of the servers
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
	// Tunnel is as the directives say; see TunnelTo for the tunnel in force.
	Tunnel dataplane.Tunnel
	// Interface is the link that shunt puts the VIP on, "" if shunt does not.
	Interface string
	// MaxConn limits the connections of a real server at a time, unless its line
	// has its own limit; 0 is no limit.
	MaxConn int
	// OnDown is "keep" or "cut": the fate of connections to a server that goes
	// down.
	OnDown string
	// CheckPath is "direct" or CheckPathVIP.
	CheckPath string
	// Observe is "none" or ObserveConnect. ErrorLimit has no effect without it.
	Observe string
	// TrustedProxies are the clients whose connections begin with a PROXY header.
	TrustedProxies Clients
	// SlowStart is the time in which a real server that comes back reaches its
	// full weight; 0 is at once. See Ramp for the time in force.
	SlowStart    time.Duration
	DrainTimeout time.Duration // how long a graceful stop waits for connections
	SorryPage    string        // file or folder, "" the built-in page
	SorryTitle   string        // of the built-in page, "" its own
	SorryStatus  int           // HTTP status of the sorry page, 503 unless set
	// Verify says what checks over TLS verify in a certificate: "yes", "no", or
	// the file that Roots were read from; "" where no check speaks TLS.
	Verify string
	Roots  *Roots // nil: those of the system
	// ClientCert and ClientKey are the files of Virtual.Client.
	ClientCert, ClientKey string
	MinValid              time.Duration // how long a certificate has to stay valid, 0: it must be valid now
	// CheckReset makes checks end their connections by a reset.
	CheckReset bool
	// Allow are the clients that are served, all if it is empty, and Deny the
	// exceptions.
	Allow, Deny Clients
}

// The states of a real server before its first check, by initstate: as the
// dataplane has it from before, down, or up.
const (
	InitKernel = "kernel"
	InitDown   = "down"
	InitUp     = "up"
)

// CheckPathVIP makes checks go by the VIP, too.
const CheckPathVIP = "vip"

// ObserveConnect makes failed connections of the proxy hasten checks.
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

// A Fallback answers while no real server of a service can.
type Fallback struct {
	// Sorry: the built-in sorry server answers (`fallback = sorry`), Addr is
	// the zero value.
	Sorry bool
	// Addr has port 0 only in Global, where it stands for the port of each
	// service, and behind firewall marks.
	Addr    netip.AddrPort
	Forward dataplane.Forward
	Pos     Pos
}

// CheckType is the way in which a real server is checked.
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

// A Virtual is one virtual service with all settings in force for it.
type Virtual struct {
	Settings
	ID            dataplane.ServiceID
	Pos           Pos // of the virtual line
	Reals         []Real
	CheckType     CheckType
	CombinedN     int    // connects between two negotiations, with CheckCombined
	Service       string // the service of a negotiate check
	CheckPort     uint16 // 0: as CheckAddr says
	CheckCommand  string
	CheckFile     string   // of service file
	CommandWeight string   // "yes", "percent" or "no": whether the exit status of CheckCommand is a weight
	Request       string   // as the file has it, with its leading slash
	Receive       *Pattern // nil: any answer is good
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
	// Request and Receive are those in force for this server: its own, or else
	// those of the section.
	Request string
	Receive *Pattern
	Pos     Pos
}

// Origins have, by directive, the origin of its value. A directive that is
// missing has its default.
type Origins map[string]Origin

// An Origin is the place where a value was set.
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
