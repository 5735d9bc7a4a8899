package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// A scope is the place where a directive may stand.
type scope uint8

const (
	inGlobal scope = 1 << iota
	inSection
	asHead // begins a section
	both   = inGlobal | inSection
)

// A directive is a word of the language.
type directive struct {
	name  string
	scope scope
	value
	def     string // the default in words
	doc     string
	own     bool // ldirectord does not have it
	secret  bool // the value is not shown
	repeats bool // each line adds something
	late    bool // it is read after the rest of its section
	inlined bool // Print writes what it stands for
}

// table is the language: reading, writing, showing and suggesting all go by
// it, and CONFIGURATION.md describes it. Its order is that of output.
var table = []directive{
	{name: "virtual", scope: asHead, value: value{kind: "address and port, or firewall mark"}, def: "none", doc: "begins a section: an IPv4 virtual service", repeats: true},
	{name: "virtual6", scope: asHead, value: value{kind: "[address] and port, or firewall mark"}, def: "none", doc: "begins a section: an IPv6 virtual service", repeats: true},

	{name: "include", scope: inGlobal, own: true, def: "none", doc: "further files, with sections of virtual services", repeats: true, inlined: true, value: include},
	{name: "strict", scope: inGlobal, own: true, def: "no", doc: "refuse what ldirectord refuses", value: yesNo(func(t target) *bool { return &t.g.Strict })},
	{name: "autoreload", scope: inGlobal, def: "no", doc: "read the file again when it has changed", value: yesNo(func(t target) *bool { return &t.g.AutoReload })},
	{name: "callback", scope: inGlobal, def: "none", doc: "program run after the file has changed", value: callback},
	{name: "logfile", scope: inGlobal, def: "standard error", doc: "file, or syslog facility, that the log goes to", value: text(func(t target) *string { return &t.g.LogFile })},
	{name: "execute", scope: inGlobal, def: "none", doc: "another configuration, for which a second shunt is started", repeats: true, value: execute},
	{name: "supervised", scope: inGlobal, def: "no", doc: "log to standard error, whatever logfile says", value: supervised},
	{name: "fork", scope: inGlobal, def: "no", doc: "no meaning of its own: checks always run side by side", value: fork},
	{name: "readdquiescent", scope: inGlobal, def: "no", doc: "add a quiescent server that is missing again, with weight 0", value: yesNo(func(t target) *bool { return &t.g.ReaddQuiescent })},
	{name: "checkconcurrency", scope: inGlobal, own: true, def: "a quarter of the open files, 64 to 16384", doc: "how many checks run at once", value: bound(func(t target) *int { return &t.g.CheckConcurrency })},
	{name: "statemaxage", scope: inGlobal, own: true, def: "7d", doc: "how long shunt may not have run for orders of operators to count", value: stateMaxAge},
	{name: "maintenancedir", scope: inGlobal, def: "none", doc: "folder in which a file named after a server takes it out of use", value: folder(func(t target) *string { return &t.g.MaintenanceDir })},
	{name: "emailalertfrom", scope: inGlobal, def: "none", doc: "sender of mail", value: sender},

	{name: "protocol", scope: inSection, def: "udp on port 53, else tcp; fwm for marks", doc: "protocol of the virtual service", value: protocol},
	{name: "service", scope: inSection, def: "by the port of the virtual service, else none", doc: "what a negotiate check speaks", value: service},
	{name: "scheduler", scope: inSection, def: "wrr", doc: "how connections are distributed", value: bind("name of a scheduler", readScheduler, asIs)(func(t target) *string { return &t.v.Scheduler })},
	{name: "schedflags", scope: inSection, def: "none", doc: "flags of the scheduler", value: bind("flags, separated by commas", readSchedFlags, writeList)(func(t target) *[]string { return &t.v.SchedFlags })},
	{name: "persistent", scope: inSection, def: "none", doc: "for how long a client keeps its real server", value: persistent},
	{name: "netmask", scope: inSection, def: "single clients", doc: "which clients persistence takes for one", value: netmask},
	{name: "ops", scope: inSection, def: "no", doc: "schedule every datagram of a udp service by itself", value: yesNo(func(t target) *bool { return &t.v.OnePacket })},
	{name: "real", scope: inSection, value: value{kind: "ADDRESS[->ADDRESS][:PORT] gate|masq|ipip [WEIGHT] [\"REQUEST\",\"RECEIVE\"] [l:LOWER] [u:UPPER] [m:MAXCONN]"}, def: "none", doc: "a real server, or a range of them", repeats: true, late: true},
	{name: "real6", scope: inSection, value: value{kind: "as real, with [ADDRESS]"}, def: "none", doc: "an IPv6 real server", repeats: true, late: true},
	{name: "fallback", scope: both, def: "none", doc: "what answers while no real server can", late: true, value: value{kind: "ADDRESS[:PORT] [gate|masq|ipip], or sorry", get: getFallback}},
	{name: "fallback6", scope: both, def: "none", doc: "fallback of IPv6 services", late: true, value: value{kind: "[ADDRESS][:PORT] [gate|masq|ipip], or sorry", get: getFallback6}},
	{name: "fallbackcommand", scope: both, def: "none", doc: "command run when the last server goes and when the first returns", value: command(func(t target) *string { return &t.s.FallbackCommand })},

	{name: "checktype", scope: inSection, def: "negotiate", doc: "how real servers are checked", value: checkType},
	{name: "checktimeout", scope: both, def: "5", doc: "limit of connect, ping and external checks", value: seconds(func(t target) *time.Duration { return &t.s.CheckTimeout })},
	{name: "negotiatetimeout", scope: both, def: "30", doc: "limit of negotiate checks", value: seconds(func(t target) *time.Duration { return &t.s.NegotiateTimeout })},
	{name: "checkinterval", scope: both, def: "10", doc: "between the starts of two checks of one server", value: seconds(func(t target) *time.Duration { return &t.s.CheckInterval })},
	{name: "fastinterval", scope: both, own: true, def: "checkinterval", doc: "instead of checkinterval while a server is about to change", value: length(func(t target) *time.Duration { return &t.s.FastInterval })},
	{name: "downinterval", scope: both, own: true, def: "checkinterval", doc: "instead of checkinterval while a server is down", value: length(func(t target) *time.Duration { return &t.s.DownInterval })},
	{name: "checkcount", scope: both, def: "1", doc: "attempts of a ping check", value: checkCount},
	{name: "failurecount", scope: both, def: "1", doc: "consecutive failed checks until a server is down", value: attempts(func(t target) *int { return &t.s.FailureCount })},
	{name: "risecount", scope: both, own: true, def: "1", doc: "consecutive good checks until a server is up", value: attempts(func(t target) *int { return &t.s.RiseCount })},
	{name: "checkport", scope: inSection, def: "port of the real server, else the usual one of the service", doc: "port that is checked", value: checkPort},
	{name: "checkpath", scope: both, own: true, def: "direct", doc: "the way that checks take to gate and ipip servers", value: word("direct", CheckPathVIP)(func(t target) *string { return &t.s.CheckPath })},
	{name: "checkcommand", scope: inSection, def: "/bin/true", doc: "program of an external check", value: path(func(t target) *string { return &t.v.CheckCommand })},
	{name: "checkcommandweight", scope: inSection, own: true, def: "no", doc: "whether the exit status of checkcommand is a weight", value: word("no", "yes", "percent")(func(t target) *string { return &t.v.CommandWeight })},
	{name: "checkfile", scope: inSection, own: true, def: "none", doc: "file, or folder of files, that a file check reads", value: path(func(t target) *string { return &t.v.CheckFile })},
	{name: "check", scope: inSection, own: true, def: "none", doc: "one more check of the real servers: all have to be good", repeats: true, secret: true, value: furtherCheck},
	{name: "agent", scope: inSection, own: true, def: "none", doc: "port of an agent beside each real server", value: agent},
	{name: "request", scope: inSection, def: "/", doc: "what a check asks for", value: request},
	{name: "receive", scope: inSection, def: "anything", doc: "pattern that the answer has to match", value: receive},
	{name: "httpmethod", scope: inSection, def: "GET", doc: "method of HTTP checks", value: httpMethod},
	{name: "httpversion", scope: inSection, own: true, def: "1", doc: "version of HTTP that checks speak", value: httpVersion},
	{name: "receivestatus", scope: inSection, own: true, def: "200-299", doc: "statuses that are good to HTTP checks", value: receiveStatus},
	{name: "bodydigest", scope: inSection, own: true, def: "any", doc: "digest that the body of an HTTP answer has to have", value: bodyDigest},
	{name: "header", scope: inSection, own: true, def: "none", doc: "one more header of HTTP checks", repeats: true, secret: true, value: header},
	{name: "virtualhost", scope: inSection, def: "address of the real server", doc: "Host header of HTTP checks, name of the real server in TLS", value: virtualHost},
	{name: "login", scope: inSection, def: "anonymous for ftp, ldirectord@HOST for sip, else none", doc: "user name of checks", value: text(func(t target) *string { return &t.v.Login })},
	{name: "passwd", scope: inSection, def: "ldirectord@HOST for ftp, else none", doc: "password of checks", secret: true, value: text(func(t target) *string { return &t.v.Passwd })},
	{name: "database", scope: inSection, def: "none", doc: "database of SQL checks", value: text(func(t target) *string { return &t.v.Database })},
	{name: "secret", scope: inSection, def: "none", doc: "secret of radius checks", secret: true, value: text(func(t target) *string { return &t.v.Secret })},
	{name: "verify", scope: both, own: true, def: "by the service: yes for imaps, tls and pops with a login, no for others over TLS", doc: "what checks over TLS look at in a certificate", value: verify},
	{name: "clientcert", scope: both, own: true, def: "none", doc: "certificate that checks over TLS show", value: path(func(t target) *string { return &t.s.ClientCert })},
	{name: "clientkey", scope: both, own: true, def: "in the file of clientcert", doc: "key of clientcert", value: path(func(t target) *string { return &t.s.ClientKey })},
	{name: "minvalid", scope: both, own: true, def: "none", doc: "how long a certificate has to be valid at least", value: minValid},
	{name: "checkclose", scope: both, own: true, def: "fin", doc: "how connect, http and line checks end a connection", value: checkClose},
	{name: "load", scope: inSection, def: "none", doc: "accepted and unused, as in ldirectord", value: load},
	{name: "monitorfile", scope: inSection, def: "none", doc: "file that every check result is appended to", value: path(func(t target) *string { return &t.v.MonitorFile })},

	{name: "quiescent", scope: both, def: "no", doc: "a server that is down gets weight 0 instead of being removed", value: yesNo(func(t target) *bool { return &t.s.Quiescent })},
	{name: "slowstart", scope: both, own: true, def: "0", doc: "how long a server that comes back takes to its whole weight", value: wait(func(t target) *time.Duration { return &t.s.SlowStart })},
	{name: "initstate", scope: both, own: true, def: "kernel", doc: "state of a server before its first check", value: word("kernel", "down", "up")(func(t target) *string { return &t.s.InitState })},
	{name: "quorum", scope: both, own: true, def: "1", doc: "weight of usable servers without which the fallback takes over", value: attempts(func(t target) *int { return &t.s.Quorum })},
	{name: "hysteresis", scope: both, own: true, def: "0", doc: "how far beyond quorum the weight has to go for a change", value: count(func(t target) *int { return &t.s.Hysteresis })},
	{name: "quorumup", scope: both, own: true, def: "none", doc: "command run when a service reaches its quorum", value: command(func(t target) *string { return &t.s.QuorumUp })},
	{name: "quorumdown", scope: both, own: true, def: "none", doc: "command run when a service loses its quorum", value: command(func(t target) *string { return &t.s.QuorumDown })},
	{name: "maxdown", scope: both, own: true, def: "100%", doc: "share of the servers of a service that checks take out", value: share(func(t target) *int { return &t.s.MaxDown })},
	{name: "failopen", scope: both, own: true, def: "no", doc: "all servers serve when checks leave too few, instead of the fallback", value: yesNo(func(t target) *bool { return &t.s.FailOpen })},
	{name: "cleanstop", scope: both, def: "yes", doc: "remove the virtual service when shunt stops", value: yesNo(func(t target) *bool { return &t.s.CleanStop })},
	{name: "emailalert", scope: both, def: "none", doc: "who gets mail about changes", value: people(func(t target) *[]string { return &t.s.EmailAlert })},
	{name: "emailalertfreq", scope: both, def: "0", doc: "between reminders of a server that is down", value: period(func(t target) *time.Duration { return &t.s.EmailAlertFreq })},
	{name: "emailalertstatus", scope: both, def: "all", doc: "in which states of the daemon mail is sent", value: states(func(t target) *AlertStates { return &t.s.EmailAlertStatus })},
	{name: "smtp", scope: both, def: "the local mail program", doc: "mail relay", value: relay(func(t target) *string { return &t.s.SMTP })},
	{name: "webhook", scope: both, own: true, def: "none", doc: "URL that changes are posted to", secret: true, value: webhook(func(t target) *string { return &t.s.Webhook })},
	{name: "webhookca", scope: inGlobal, own: true, def: "those of the system", doc: "file of the authorities whose certificates webhooks trust", value: pemFile(func(t target) *string { return &t.g.WebhookCA })},
	{name: "notify", scope: both, own: true, def: "none", doc: "command run for each change", value: notify(func(t target) *string { return &t.s.Notify })},
	{name: "alertlimit", scope: inGlobal, own: true, def: "none", doc: "mails and events that each receiver gets in a time", value: alertLimit(func(t target) *dataplane.Rate { return &t.g.AlertLimit })},
	{name: "servicename", scope: inSection, def: "none", doc: "name of the service in mail", value: rest(func(t target) *string { return &t.v.ServiceName })},
	{name: "comment", scope: inSection, def: "none", doc: "remark in mail", value: rest(func(t target) *string { return &t.v.Comment })},

	{name: "dataplane", scope: both, own: true, def: "as the command line says", doc: "what forwards", value: dataplaneName(func(t target) *string { return &t.s.Dataplane })},
	{name: "tunneltype", scope: both, own: true, def: "ipip", doc: "what wraps packets for servers that are reached by ipip", value: tunnelType},
	{name: "tunnelport", scope: both, own: true, def: "none", doc: "UDP port that real servers take tunnels of type gue on", value: tunnelPort},
	{name: "tunnelchecksum", scope: both, own: true, def: "no", doc: "checksum of tunnels of type gre and gue", value: tunnelSum},
	{name: "tcptimeout", scope: inGlobal, own: true, def: "as the kernel has it", doc: "when IPVS forgets a TCP connection on which nothing moves", value: kernelTimeout(func(t target) *time.Duration { return &t.g.TCPTimeout })},
	{name: "tcpfintimeout", scope: inGlobal, own: true, def: "as the kernel has it", doc: "when IPVS forgets a TCP connection that both sides have ended", value: kernelTimeout(func(t target) *time.Duration { return &t.g.TCPFinTimeout })},
	{name: "udptimeout", scope: inGlobal, own: true, def: "as the kernel has it", doc: "when IPVS forgets a UDP flow on which nothing moves", value: kernelTimeout(func(t target) *time.Duration { return &t.g.UDPTimeout })},
	{name: "interface", scope: both, own: true, def: "none", doc: "link that the VIP is put on", value: bind("name of a link", readLink, asIs)(func(t target) *string { return &t.s.Interface })},
	{name: "managesysctl", scope: inGlobal, own: true, def: "no", doc: "set the kernel's settings that the services need", value: yesNo(func(t target) *bool { return &t.g.ManageSysctl })},
	{name: "connecttimeout", scope: both, own: true, def: "5s", doc: "limit of one connection attempt of the proxy", value: connectTimeout},
	{name: "idletimeout", scope: both, own: true, def: "15m; udp: 5m", doc: "when the proxy ends a connection on which nothing moves", value: length(func(t target) *time.Duration { return &t.s.IdleTimeout })},
	{name: "allow", scope: both, own: true, def: "all", doc: "clients that the proxy serves", repeats: true, value: clients("all", func(t target) *Clients { return &t.s.Allow })},
	{name: "deny", scope: both, own: true, def: "none", doc: "clients that the proxy does not serve", repeats: true, value: clients("none", func(t target) *Clients { return &t.s.Deny })},
	{name: "sourceconnections", scope: both, own: true, def: "none", doc: "connections and flows that one source may have at a time", value: sourceConns(func(s *Settings) *int { return &s.SourceConns })},
	{name: "sourcerate", scope: both, own: true, def: "none", doc: "connections and flows that one source may begin", value: sourceRate(func(s *Settings) *dataplane.Rate { return &s.SourceRate })},
	{name: "sourceprefix", scope: both, own: true, def: "32", doc: "length of the prefix that is one source, IPv4", value: bits4(func(t target) *int { return &t.s.SourceBits4 })},
	{name: "sourceprefix6", scope: both, own: true, def: "64", doc: "length of the prefix that is one source, IPv6", value: bits6(func(t target) *int { return &t.s.SourceBits6 })},
	{name: "maxconnections", scope: inGlobal, own: true, def: "as the machine allows", doc: "connections of the proxy at a time", value: bound(func(t target) *int { return &t.g.MaxConnections })},
	{name: "maxflows", scope: inGlobal, own: true, def: "as the machine allows", doc: "UDP flows of the proxy at a time", value: bound(func(t target) *int { return &t.g.MaxFlows })},
	{name: "maxbuffers", scope: inGlobal, own: true, def: "as the machine allows", doc: "memory for what slow readers leave", value: size(func(t target) *int64 { return &t.g.MaxBuffers })},
	{name: "maxconn", scope: both, own: true, def: "0, no limit", doc: "connections that the proxy gives a real server at a time; more wait", value: count(func(t target) *int { return &t.s.MaxConn })},
	{name: "maxqueue", scope: both, own: true, def: "0, no limit", doc: "clients that wait for the real servers of a service at a time", value: count(func(t target) *int { return &t.s.MaxQueue })},
	{name: "queuetimeout", scope: both, own: true, def: "5s", doc: "how long a client waits for a real server", value: length(func(t target) *time.Duration { return &t.s.QueueTimeout })},
	{name: "keepalive", scope: both, own: true, def: "60", doc: "silence after which the proxy asks whether the other side of a connection is there", value: keepAlive},
	{name: "tcpusertimeout", scope: both, own: true, def: "as the kernel has it", doc: "how long what the proxy sent may go unacknowledged", value: length(func(t target) *time.Duration { return &t.s.UserTimeout })},
	{name: "ondown", scope: both, own: true, def: "keep", doc: "what becomes of connections to a server that is found down", value: word("keep", "cut")(func(t target) *string { return &t.s.OnDown })},
	{name: "observe", scope: both, own: true, def: "none", doc: "what of the proxy's connections hastens checks", value: word("none", ObserveConnect)(func(t target) *string { return &t.s.Observe })},
	{name: "errorlimit", scope: both, own: true, def: "10", doc: "failed connections in a row that hasten a check", value: errorLimit(func(t target) *int { return &t.s.ErrorLimit })},
	{name: "proxyprotocol", scope: both, own: true, def: "no", doc: "version of the PROXY header by which the proxy tells real servers the client's address", value: proxyProtocol},
	{name: "trustedproxies", scope: both, own: true, def: "none", doc: "those whose connections begin with a PROXY header that names the client", repeats: true, value: clients("none", func(t target) *Clients { return &t.s.TrustedProxies })},
	{name: "transparent", scope: both, own: true, def: "no", doc: "real servers see the client's address as where connections of the proxy come from", value: yesNo(func(t target) *bool { return &t.s.Transparent })},
	{name: "expirequiescent", scope: both, own: true, def: "no", doc: "persistence does not keep clients on a server of weight 0", value: yesNo(func(t target) *bool { return &t.s.ExpireQuiescent })},
	{name: "draintimeout", scope: both, own: true, def: "30", doc: "how long a stop with cleanstop=no waits for connections", value: wait(func(t target) *time.Duration { return &t.s.DrainTimeout })},
	{name: "sorrypage", scope: both, own: true, def: "the built-in page", doc: "page of the sorry server", value: page(func(t target) *string { return &t.s.SorryPage })},
	{name: "sorrytitle", scope: both, own: true, def: "This service is temporarily unavailable", doc: "title and headline of the built-in page", value: rest(func(t target) *string { return &t.s.SorryTitle })},
	{name: "sorrystatus", scope: both, own: true, def: "503", doc: "HTTP status of the sorry page", value: status(func(t target) *int { return &t.s.SorryStatus })},
}

// byName finds directives. It is filled by init because values refer to it.
var byName = map[string]*directive{}

func init() {
	for i := range table {
		byName[table[i].name] = &table[i]
	}
}

// maxExecute is how many further configurations a file may name.
const maxExecute = 100

var execute = value{
	kind: "name of a configuration",
	set: func(f *field, t target) bool {
		name, ok := f.raw()
		if ok && len(t.g.Execute) == maxExecute {
			return f.fail(f.keyAt, fmt.Sprintf("more than %d lines with `execute`", maxExecute), "")
		}
		if ok {
			t.g.Execute = append(t.g.Execute, name)
		}
		return ok
	},
	get: func(t target) []string { return t.g.Execute },
}

var supervised = noticed(yesNo(func(t target) *bool { return &t.g.Supervised }), func(f *field, t target) {
	if t.g.Supervised {
		f.warn(f.keyAt, "`supervised` only sends the log to standard error, instead of logfile", "shunt always stays in the foreground")
	}
})

var fork = noticed(yesNo(func(t target) *bool { return &t.g.Fork }), func(f *field, t target) {
	if t.g.Fork {
		f.warn(f.keyAt, "`fork` means nothing here", "checks always run side by side")
	}
})

var checkCount = noticed(attempts(func(t target) *int { return &t.s.CheckCount }), func(f *field, _ target) {
	f.warn(f.keyAt, "`checkcount` is deprecated: it counts the attempts of a ping check only", "did you mean `failurecount`?")
})

var connectTimeout = noticed(length(func(t target) *time.Duration { return &t.s.ConnectTimeout }), func(f *field, _ target) {
	f.lenient(f.keyAt, "`connecttimeout` limits connection attempts of the proxy, not checks",
		"checks have `checktimeout` and `negotiatetimeout`; ldirectord refuses this obsolete directive")
})

// noticed adds a remark to a value that has been read.
func noticed(v value, remark func(*field, target)) value {
	set := v.set
	v.set = func(f *field, t target) bool {
		bare := f.key == "supervised" && f.val == ""
		if bare {
			f.warn(f.keyAt, "`supervised` stands without a value", "write supervised=yes")
			t.g.Supervised = true
		} else if !set(f, t) {
			return false
		}
		remark(f, t)
		return true
	}
	return v
}

func folder(at func(target) *string) value {
	return noticed(rest(at), func(f *field, t target) {
		if inner := strings.Trim(*at(t), `"'`); len(inner) == len(*at(t))-2 && !isDir(*at(t)) {
			f.warn(f.valAt, fmt.Sprintf("`%s` is read without its quotes, which are part of the name for ldirectord", f.key), fmt.Sprintf("write %s=%s", f.key, inner))
			*at(t) = inner
		}
		if !isDir(*at(t)) {
			f.warn(f.valAt, "there is no folder "+*at(t), "make it, or no server can be taken out of use by it")
		}
	})
}

var protocol = value{
	kind: "`tcp`, `udp`; `fwm` for firewall marks",
	set: func(f *field, t target) bool {
		w, ok := f.oneOf([]string{"tcp", "udp", "fwm"}, "")
		t.v.ID.Protocol = map[string]dataplane.Protocol{"tcp": dataplane.TCP, "udp": dataplane.UDP, "fwm": dataplane.FWMark}[w]
		return ok
	},
	get: func(t target) []string { return []string{t.v.ID.Protocol.String()} },
}

// maxPersistent is the most that ipvsadm takes: 31 days.
const maxPersistent = 31 * 24 * 3600

var persistent = bind("seconds, 0 to 31 days", secondsFrom(0, maxPersistent), func(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return writeSeconds(d)
})(func(t target) *time.Duration { return &t.v.Persistent })

// kernelTimeout is at most what ipvsadm takes.
var kernelTimeout = bind("duration, 1s to 31 days, in whole seconds", wholeSeconds(maxPersistent*time.Second, "31 days: 744h"), writeLength)

// keepAlive is at most what the kernel takes.
var keepAlive = bind("duration, 1s to 9h, in whole seconds", wholeSeconds(9*time.Hour, "9h"), writeLength)(func(t target) *time.Duration { return &t.s.KeepAlive })

// wholeSeconds reads a duration in whole seconds, as the kernel counts, up to
// most.
func wholeSeconds(most time.Duration, inWords string) func(*field) (time.Duration, bool) {
	return func(f *field) (time.Duration, bool) {
		d, ok := f.duration(time.Second)
		switch {
		case !ok:
		case d > most:
			return 0, f.fail(f.valAt, fmt.Sprintf("%s is too much for `%s`", f.val, f.key), "the most is "+inWords)
		case d%time.Second != 0:
			return 0, f.fail(f.valAt, fmt.Sprintf("%s is not a number of whole seconds", f.val), "the kernel counts seconds")
		}
		return d, ok
	}
}

var checkPort = bind("port, 1 to 65535", readPortNumber, writePort)(func(t target) *uint16 { return &t.v.CheckPort })
