package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/config/internal/suggest"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/services"
)

// A Check is one more check of the real servers of a section, beside the
// ordinary one that checktype and service describe: a line `check` or `agent`.
type Check struct {
	Type    CheckType
	Service string // with CheckNegotiate
	Port    uint16 // 0: as With says
	Request string // as the file has it, without a leading slash of ours
	Receive *Pattern
	// Command is the program of CheckExternal, File what service file reads.
	Command, File           string
	VirtualHost             string // "": that of the section
	Login, Passwd, Database string
	Secret                  string
	// Agent: the real server's words count, and that it says none does not.
	Agent bool
	Pos   Pos // of the line
}

// maxChecks is how many checks a section adds.
const maxChecks = 16

// Further returns the checks of real servers beside the ordinary one, that of
// `agent` last.
func (v *Virtual) Further() []Check {
	if v.CheckType == CheckOn || v.CheckType == CheckOff {
		return nil
	}
	if v.Agent == nil {
		return v.Checks
	}
	return append(slices.Clip(v.Checks), *v.Agent)
}

// As returns v as it would be if c were its ordinary check; c.Of has its real
// servers. Timeouts, intervals, virtualhost, and how a check speaks TLS are the
// section's; request, receive, login and the like are c's alone: they are meant for
// one service. Without a port, a check of the section's service goes where the
// ordinary one does, a connect check to the port of the real server, others to the
// usual port. A connect check with a port connects, also in a service over UDP.
func (v *Virtual) As(c *Check) *Virtual {
	w := *v
	w.Checks, w.Agent = nil, nil
	w.CheckType, w.Service, w.CheckPort, w.CheckPath = c.Type, c.Service, c.portIn(v), "direct"
	w.CheckCommand, w.CommandWeight, w.CheckFile = c.Command, "no", c.File
	w.HTTPMethod, w.HTTPVersion, w.ReceiveStatus, w.BodyDigest, w.Headers = "GET", 1, "", "", nil
	w.Request, w.Receive, w.Database, w.Secret = withSlash(c.Request), c.Receive, c.Database, c.Secret
	login, passwd := credentials(c.Service)
	w.Login, w.Passwd = cmp.Or(c.Login, login), cmp.Or(c.Passwd, passwd)
	w.VirtualHost = cmp.Or(c.VirtualHost, v.VirtualHost)
	if c.Type == CheckConnect && c.Port != 0 && v.ID.Protocol == dataplane.UDP {
		w.ID.Protocol = dataplane.TCP
	}
	if !v.Origins["verify"].given() {
		w.Verify = w.verification()
	}
	return &w
}

// Of returns r with what c asks it for.
func (c *Check) Of(r *Real) *Real {
	own := *r
	own.Request, own.Receive = withSlash(c.Request), c.Receive
	return &own
}

func (c *Check) portIn(v *Virtual) uint16 {
	switch {
	case c.Port != 0:
		return c.Port
	case c.Type != CheckNegotiate:
		return 0
	case c.Service == v.Service:
		return v.CheckPort
	}
	row, _ := services.Named(c.Service)
	return row.Port
}

// AnyTLS reports whether any check of v speaks TLS.
func (v *Virtual) AnyTLS() bool {
	speaks := func(c Check) bool {
		row, _ := services.Named(c.Service)
		return row.TLS != services.NoTLS
	}
	return v.SpeaksTLS() || slices.ContainsFunc(v.Further(), speaks)
}

// further warns of further checks that are not made, or cannot be.
func (r *review) further() {
	if t := r.v.CheckType; t == CheckOn || t == CheckOff {
		for _, name := range []string{"check", "agent"} {
			if s := r.sec.body.lastOf(name); s != nil {
				r.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect with checktype=%s", name, t), "remove the line, or write another checktype")
			}
		}
		return
	}
	for i := range r.v.Checks {
		c := &r.v.Checks[i]
		s, w := r.sec.body.numbered(c.Pos.Line), r.v.As(c)
		portless := func(real Real) bool { return w.CheckAddr(&real).Port() == 0 }
		if at := slices.IndexFunc(r.v.Reals, portless); at >= 0 && w.needsPort() {
			r.warn(s, s.valAt, fmt.Sprintf("there is no port to check %s on: the check always fails", r.v.Reals[at].Addr.Addr()), "add port=N")
		}
		if c.Type == CheckExternal {
			r.program(s, c.Command)
		}
	}
}

// word is the service or the kind of check that a line begins with.
func (c *Check) word() string {
	if c.Type == CheckNegotiate {
		return c.Service
	}
	return c.Type.String()
}

// Name returns what is shown of the line that asks for the check, without what is
// secret: `check=http port=8080 request="/db"`.
func (c *Check) Name() string {
	if c.Agent {
		return "agent=" + c.agentText()
	}
	short := Check{Type: c.Type, Service: c.Service, Port: c.Port, Request: c.Request, Command: c.Command, File: c.File}
	return "check=" + short.text(unsecret)
}

// whole shows all of an option's value.
func whole(_ *checkOption, value string) string { return value }

// unsecret shows what is not secret of an option's value.
func unsecret(o *checkOption, value string) string {
	if value != "" && o.secret {
		return "***"
	}
	return withoutCredentials(value)
}

// text is the value of the line that asks for the check, with option values as
// shown has them.
func (c *Check) text(shown func(o *checkOption, value string) string) string {
	var b strings.Builder
	b.WriteString(c.word())
	for i := range checkOptions {
		o := &checkOptions[i]
		value := shown(o, o.get(c))
		switch {
		case value == "":
		case o.name == "port":
			fmt.Fprintf(&b, " port=%s", value)
		default:
			fmt.Fprintf(&b, ` %s="%s"`, o.name, value)
		}
	}
	return b.String()
}

// agentText is the value of the line `agent`.
func (c *Check) agentText() string {
	text := strconv.Itoa(int(c.Port))
	if c.Request != "" {
		text += fmt.Sprintf(` request="%s"`, c.Request)
	}
	return text
}

// furtherCheck is one more check of the real servers.
var furtherCheck = value{
	kind: `SERVICE [port=N] [request="TEXT"] [receive="PATTERN"] [virtualhost=, login=, passwd=, database=, secret=, command=, file=]`,
	set: func(f *field, t target) bool {
		c, ok := readCheck(f)
		switch {
		case !ok:
			return false
		case len(t.v.Checks) == maxChecks:
			return f.fail(f.keyAt, fmt.Sprintf("more than %d lines with `check`", maxChecks), "")
		}
		c.Pos = f.pos(&f.stmt, f.valAt)
		for i := range t.v.Checks {
			if o := &t.v.Checks[i]; o.text(whole) == c.text(whole) {
				return f.fail(f.keyAt, fmt.Sprintf("the same check is already on line %d", o.Pos.Line), "remove one of them")
			}
		}
		t.v.Checks = append(t.v.Checks, c)
		return true
	},
	mask: maskedCheck,
	get: func(t target) (lines []string) {
		if t.v == nil {
			return nil
		}
		for i := range t.v.Checks {
			lines = append(lines, t.v.Checks[i].text(whole))
		}
		return lines
	},
}

// agent is the port of an agent beside each real server.
var agent = value{
	kind: `port, 1 to 65535, or none; then request="TEXT" that is sent`,
	set: func(f *field, t target) bool {
		f.cut(oddQuotes)
		word := firstWord(f.val)
		c := Check{Service: "agent", Agent: true, Pos: f.pos(&f.stmt, f.valAt)}
		if word == "none" || word == "0" {
			t.v.Agent = nil
			return f.nothingBehind(word)
		}
		if !setPort(f, f.valAt, &c, word) || !f.options(&c, f.val[len(word):]) {
			return false
		}
		if c != (Check{Service: "agent", Agent: true, Port: c.Port, Request: c.Request, Pos: c.Pos}) {
			return f.fail(f.valAt, "an agent has a port and a request, and nothing else", `write agent=PORT request="TEXT"`)
		}
		t.v.Agent = &c
		return true
	},
	get: func(t target) []string {
		if t.v == nil || t.v.Agent == nil {
			return nil
		}
		return []string{t.v.Agent.agentText()}
	},
}

func (f *field) nothingBehind(word string) bool {
	if strings.TrimSpace(f.val[len(word):]) != "" {
		return f.fail(f.valAt+len(word), fmt.Sprintf("text behind `%s`", word), "remove it")
	}
	return true
}

// readCheck reads the value of a line `check`.
func readCheck(f *field) (c Check, ok bool) {
	f.cut(oddQuotes)
	word := firstWord(f.val)
	known := append(services.Names(), CheckConnect.String(), CheckPing.String(), CheckExternal.String())
	known = slices.DeleteFunc(known, func(name string) bool { return name == services.None })
	switch i := slices.IndexFunc(checkTypes, func(t struct {
		word string
		is   CheckType
	},
	) bool {
		return t.word == word
	}); {
	case !slices.Contains(known, word):
		return c, f.fail(f.valAt, fmt.Sprintf("`%s` is no check", word), suggest.Choice(word, known))
	case i >= 0:
		c.Type = checkTypes[i].is
	default:
		c.Service = word
	}
	if !f.options(&c, f.val[len(word):]) {
		return c, false
	}
	return c, f.reviewOptions(&c)
}
