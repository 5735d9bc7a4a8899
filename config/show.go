package config

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/services"
)

// An Explained is the globals or one section with everything in force there.
type Explained struct {
	// Name is "global", or the virtual line: "virtual=10.0.0.1:80".
	Name string `json:"name"`
	// Service names the virtual service as status and metrics do. It is
	// empty for the globals.
	Service string `json:"service,omitempty"`
	// File is the included file that has the section, and Line its line there. It is
	// empty if that is the configuration itself.
	File     string          `json:"file,omitempty"`
	Line     int             `json:"line,omitempty"`
	Settings []ExplainedLine `json:"settings"`
	Reals    []ExplainedReal `json:"reals,omitempty"`
}

// An ExplainedLine is one directive with its value and the origin of the value.
type ExplainedLine struct {
	Directive string `json:"directive"`
	// Value is as in a file, "***" for passwords.
	Value string `json:"value"`
	// Origin is "line 12", "global line 3", "default", "from port 80".
	Origin string `json:"origin"`
	// Own reports that a line of the section itself has set the value, and From is the
	// directive that it follows from, "" for none.
	Own  bool   `json:"-"`
	From string `json:"-"`
	// Print tells values apart, also those that are not shown, within one process.
	Print uint64 `json:"-"`
}

// An ExplainedReal is one real server with its check.
type ExplainedReal struct {
	Directive string `json:"directive"` // real or real6
	Addr      string `json:"addr"`
	Name      string `json:"name,omitempty"` // as the file has it, if that is no address
	Forward   string `json:"forward"`
	// Tunnel is the tunnel of ipip, if it is not IP in IP: "gre", "gue port
	// 6080".
	Tunnel string `json:"tunnel,omitempty"`
	Weight int    `json:"weight"`
	Lower  uint32 `json:"lower,omitempty"`
	Upper  uint32 `json:"upper,omitempty"`
	// MaxConn is that of the section if the line has none.
	MaxConn uint32 `json:"maxconn,omitempty"`
	// Check is the check with its target: "http http://10.0.0.1:80/", "connect
	// 10.0.0.1:80".
	Check   string `json:"check"`
	Receive string `json:"receive,omitempty"`
	// Further are the other checks, as Check is the ordinary one.
	Further []string `json:"further_checks,omitempty"`
	Line    int      `json:"line"`
	// Print differs where anything but the line does, as that of an ExplainedLine.
	Print uint64 `json:"-"`
}

var prints = maphash.MakeSeed()

func printOf(text string) uint64 { return maphash.String(prints, text) }

// Explain returns the settings in force with their origins, the globals first.
// Directives without a value are left out.
func Explain(c *Config) []Explained {
	global := Explained{Name: "global", Settings: explain(target{g: &c.Global, s: &c.Global.Settings, o: c.Global.Origins}, inGlobal)}
	all := []Explained{global}
	for i := range c.Virtuals {
		all = append(all, explainVirtual(c, &c.Virtuals[i]))
	}
	return all
}

func explainVirtual(c *Config, v *Virtual) Explained {
	e := Explained{
		Name:     headKey(v.six()) + "=" + serviceText(v.ID),
		Service:  v.ID.String(),
		Line:     v.Pos.Line,
		Settings: explain(target{g: &c.Global, s: &v.Settings, v: v, o: v.Origins, six: v.six()}, inSection),
	}
	if v.Pos.File != c.Path {
		e.File = v.Pos.File
	}
	for i := range e.Settings {
		if l := &e.Settings[i]; v.OwnFallback() && (l.Directive == "fallback" || l.Directive == "fallback6") {
			l.Origin += "; on the proxy the built-in sorry server, since this is the virtual service itself"
		}
	}
	for i := range v.Reals {
		e.Reals = append(e.Reals, explainReal(v, &v.Reals[i]))
	}
	return e
}

func explain(t target, where scope) []ExplainedLine {
	var lines []ExplainedLine
	for n := range table {
		d := &table[n]
		if d.get == nil || d.scope&where == 0 {
			continue
		}
		for i, v := range d.get(t) {
			origin, whole := t.o[d.name], printOf(v)
			switch {
			case d.name == "header":
				v = headerText(v)
			case d.name == "check":
				v, origin = t.v.Checks[i].text(unsecret), Origin{Pos: t.v.Checks[i].Pos}
			case d.name == "request" || d.name == "agent":
				v = withoutCredentials(v)
			case d.secret && v != "none": // a password in quotes
				v = "***"
			}
			lines = append(lines, ExplainedLine{Directive: d.name, Value: v, Origin: origin.String(), Own: origin.own(), From: origin.from(), Print: whole})
		}
	}
	return lines
}

// own reports whether a line of the section itself has set the value.
func (o Origin) own() bool { return o.Note == "" && o.Pos.Line > 0 }

// from returns the directive that the value follows from, "" for none.
func (o Origin) from() string {
	what, _ := strings.CutPrefix(o.Note, derived)
	if what == o.Note || byName[what] == nil {
		return ""
	}
	return what
}

// derived begins the note of a value that follows from something.
const derived = "from "

// String returns the origin of the value: "line 12", "global line 3", "default",
// "from port 80", "from checktimeout (line 3)".
func (o Origin) String() string {
	switch {
	case o.Note == "" && o.Pos.Line == 0:
		return "default"
	case o.Note == "":
		return fmt.Sprintf("line %d", o.Pos.Line)
	case o.Pos.Line == 0:
		return o.Note
	case o.Note == "global":
		return fmt.Sprintf("global line %d", o.Pos.Line)
	}
	return fmt.Sprintf("%s (line %d)", o.Note, o.Pos.Line)
}

func explainReal(v *Virtual, r *Real) ExplainedReal {
	e := ExplainedReal{
		Directive: realKey(r.Addr.Addr().Is6()), Addr: endpointText(r.Addr), Forward: r.Forward.String(), Weight: r.Weight, Lower: r.Lower, Upper: r.Upper, MaxConn: r.MaxConn,
		Check: withoutCredentials(v.checkText(r)), Line: r.Pos.Line,
	}
	if _, err := netip.ParseAddr(r.Name); err != nil {
		e.Name = r.Name
	}
	if t := v.TunnelTo(r.Forward); t != (dataplane.Tunnel{}) {
		e.Tunnel = t.String()
	}
	if v.negotiates() {
		e.Receive = patternText(r.Receive)
	}
	all := v.Further()
	for i := range all {
		e.Further = append(e.Further, v.furtherText(&all[i], r))
	}
	e.Print = printOf(e.String() + v.checkText(r)) // credentials count
	return e
}

// String returns all but the address and the line.
func (r ExplainedReal) String() string {
	return strings.TrimPrefix(r.text(), r.Addr+" ") + "; " + r.checked()
}

// furtherText says what a further check of r does.
func (v *Virtual) furtherText(c *Check, r *Real) string {
	text := withoutCredentials(v.As(c).checkText(c.Of(r)))
	if c.Receive != nil {
		text += fmt.Sprintf(` receive "%s"`, c.Receive)
	}
	return text
}

func (v *Virtual) negotiates() bool {
	return v.CheckType == CheckNegotiate || v.CheckType == CheckCombined
}

// checkText returns what a check of r does, in words.
func (v *Virtual) checkText(r *Real) string {
	at := v.CheckAddr(r)
	switch v.CheckType {
	case CheckOff, CheckOn:
		return v.CheckType.String()
	case CheckExternal, CheckExternalPerl:
		return v.CheckType.String() + " " + v.CheckCommand
	case CheckConnect:
		if v.ID.Protocol != dataplane.UDP {
			return "connect " + endpointText(at)
		}
		return "ping " + r.Addr.Addr().String()
	case CheckPing:
		return "ping " + r.Addr.Addr().String()
	}
	if v.Service == services.None {
		return "none"
	}
	if v.service().Uses.Has(services.CheckFile) {
		return v.Service + " " + v.CheckFile
	}
	return v.Service + " " + v.negotiated(at, r.Request)
}

// negotiated returns the target of a negotiate check: a URL, or an address with a
// request.
func (v *Virtual) negotiated(at netip.AddrPort, request string) string {
	switch v.service().URL {
	case services.OwnURL:
		if absolute(request) {
			return strings.TrimPrefix(request, "/")
		}
		return v.Service + "://" + endpointText(at) + request
	case services.WholeURL:
		return endpointText(at) + " " + strings.TrimPrefix(request, "/")
	}
	if request == "/" {
		return endpointText(at)
	}
	return endpointText(at) + " " + request
}

// Show writes the settings in force with their origins, for people. The error is
// that of w.
func Show(w io.Writer, c *Config) error {
	out := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i, e := range Explain(c) {
		var b bytes.Buffer
		if i > 0 {
			b.WriteByte('\n')
		}
		e.write(&b)
		if _, err := out.Write(b.Bytes()); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (e *Explained) write(b *bytes.Buffer) {
	fmt.Fprintln(b, e.title())
	for _, l := range e.Settings {
		fmt.Fprintf(b, "    %s\t%s\t# %s\n", l.Directive, l.Value, l.Origin)
	}
	for _, r := range e.Reals {
		fmt.Fprintf(b, "    %s\t%s\t# line %d: %s\n", r.Directive, r.text(), r.Line, r.checked())
	}
}

func (e *Explained) title() string {
	if e.Service == "" {
		return e.Name
	}
	if e.File != "" {
		return fmt.Sprintf("%s (%s, %s, line %d)", e.Name, e.Service, e.File, e.Line)
	}
	return fmt.Sprintf("%s (%s, line %d)", e.Name, e.Service, e.Line)
}

func (r *ExplainedReal) text() string {
	s := fmt.Sprintf("%s %s %d", r.Addr, r.Forward, r.Weight)
	if r.Lower != 0 {
		s += fmt.Sprintf(" l:%d", r.Lower)
	}
	if r.Upper != 0 {
		s += fmt.Sprintf(" u:%d", r.Upper)
	}
	if r.MaxConn != 0 {
		s += fmt.Sprintf(" m:%d", r.MaxConn)
	}
	return s
}

func (r *ExplainedReal) checked() string {
	s := "check " + r.Check
	if r.Receive != "" {
		s += fmt.Sprintf(` receive "%s"`, r.Receive)
	}
	if len(r.Further) > 0 {
		s += ", and " + strings.Join(r.Further, ", and ")
	}
	if r.Tunnel != "" {
		s += ", tunnel " + r.Tunnel
	}
	if r.Name != "" {
		s += ", " + r.Name
	}
	return s
}
