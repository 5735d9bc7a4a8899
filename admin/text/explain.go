package text

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/fold"
)

const (
	explainedServers = 10 // how many real servers of a service an explanation shows
	explained        = 11 // the column of what it says
)

// RenderExplanation writes an explanation for people: of each virtual service or real
// server whether it is in use, why, and what happens next. One of them fits on a screen.
// Control characters come out as replacement characters. The error is w's.
func RenderExplanation(w io.Writer, e director.Explanation, o Options) error {
	r := renderer{Options: o}
	r.Now = e.At
	for i, sv := range e.Services {
		if i > 0 {
			r.line("")
		}
		if sv.Whole {
			r.explainService(sv)
			continue
		}
		for j := range sv.Servers {
			r.explainServer(sv, sv.Service.Servers[j], sv.Servers[j])
		}
	}
	for _, line := range e.Waiting {
		r.line("%s", r.paint(yellow, "WAITING for what the configuration names and is not there"))
		r.fact("why", plain, line)
	}
	if len(e.Waiting) > 0 {
		r.fact("next", plain, "shunt looks again by itself, the sooner the younger the file is; `shunt reload` looks at once")
	}
	_, err := w.Write(r.out.Bytes())
	return err
}

// fact writes what is known, behind a label.
func (r *renderer) fact(label string, c colour, text string) {
	lines := fold.Words(Printable(text), r.Width-explained, "")
	for i, l := range lines {
		if i > 0 {
			label = ""
		}
		r.line("  %s%s", r.paint(faint, fmt.Sprintf("%-*s", explained-2, label)), r.paint(c, l))
	}
}

func (r *renderer) explainService(sv director.ServiceExplanation) {
	s := sv.Service
	word, c := "in use", green
	switch {
	case s.Starting:
		word, c = "has not begun: the first checks of its real servers are awaited", yellow
	case s.FallbackActive:
		word, c = "fallback ACTIVE ("+s.Fallback+")", red
	case !Usable(s):
		word, c = "OUT OF USE", red
	}
	r.line("%s", r.paint(bold, titleOf(s)))
	r.fact("is", c, word)
	for _, p := range Problems(director.Status{Services: []director.ServiceStatus{s}, Ready: true}, r.Now) {
		if p.Service != "" && p.Server == "" {
			why := append([]string{strings.TrimPrefix(p.Text, word+": ")}, p.Details...)
			r.fact("why", colours[p.Level], strings.Join(why, "; "))
		}
	}
	if q := s.Quorum; q != nil && q.Reached {
		r.fact("quorum", plain, fmt.Sprintf("usable real servers weigh %d; below %d it is lost", q.Weight, max(1, q.Quorum-q.Hysteresis)))
	}
	shown := slices.Clone(s.Servers)
	slices.SortStableFunc(shown, func(a, b director.ServerStatus) int { return cmp.Compare(one(a.Current > 0), one(b.Current > 0)) })
	for _, rs := range shown[:min(len(shown), explainedServers)] {
		word, _ := stateWord(rs.State)
		text := fmt.Sprintf("%s %s %s, weight %d", rs.Server, word, Ago(r.Now, rs.Since), rs.Current)
		if t := Trouble(r.Now, rs); t != "" {
			text += ": " + t
		}
		r.fact("server", plain, text)
	}
	if n := len(shown) - explainedServers; n > 0 {
		r.fact("", plain, fmt.Sprintf("and %d more: `shunt status --service '%s'`", n, s.Service))
	}
	r.interference(sv)
	r.fact("next", plain, nextOf(s))
	r.fact("line", plain, sv.Line)
}

// nextOf says what will change for the clients of a service.
func nextOf(s director.ServiceStatus) string {
	switch {
	case s.Admin != nil && s.Admin.State == director.Active:
		return "the fallback answers until `shunt fallback off '" + s.Service + "'`"
	case s.FallbackActive && s.Quorum != nil:
		return fmt.Sprintf("the fallback goes back to standby when usable real servers weigh %d; `shunt explain REAL` says what one waits for", s.Quorum.Quorum+s.Quorum.Hysteresis)
	case s.FallbackActive || !Usable(s):
		return "clients get a real server again as soon as one is usable; `shunt explain REAL` says what it waits for"
	case s.Fallback == "":
		return "with the last usable real server the service stops answering: it has no fallback"
	}
	return "the fallback (" + s.Fallback + ") answers when no real server is usable"
}

// interference says what somebody else does to a service in the dataplane.
func (r *renderer) interference(sv director.ServiceExplanation) {
	for _, c := range sv.Service.Changed {
		r.fact("changed", red, "by somebody else in the dataplane, put right within seconds: "+c)
	}
	for _, p := range sv.Repairs {
		r.fact("repaired", yellow, fmt.Sprintf("%s ago somebody else had changed the dataplane, and shunt put it right: %s", Ago(r.Now, p.At), p.Changes))
	}
}

func (r *renderer) explainServer(sv director.ServiceExplanation, rs director.ServerStatus, x director.ServerExplanation) {
	name := rs.Server
	if x.Name != "" {
		name += " (" + x.Name + ")"
	}
	word, c := inUse(sv.Service, rs)
	r.line("%s", r.paint(bold, name+" in "+titleOf(sv.Service)))
	r.fact("is", c, word)
	r.fact("why", plain, r.why(sv.Service, rs, x))
	r.fact("weight", plain, r.weight(rs, x))
	if x.Every > 0 {
		text := fmt.Sprintf("%s every %s; down after %s, up after %s", sv.Service.Check, Took(time.Duration(x.Every)),
			inARow(x.Failures, "failure"), inARow(x.Successes, "success"))
		r.fact("checks", plain, text)
	} else {
		r.fact("checks", plain, sv.Service.Check+": there are none")
	}
	for _, k := range x.Latest {
		r.result(k)
	}
	for _, n := range r.next(sv.Service, rs, x) {
		r.fact("next", plain, n)
	}
	r.interference(sv)
	r.fact("line", plain, x.Line)
}

// result writes what a check has found.
func (r *renderer) result(k director.CheckResult) {
	text, c := "good", green
	if !k.OK {
		text, c = cmp.Or(k.Result, string(k.Reason)), red
	}
	if k.Check != "" {
		text = k.Check + ": " + text
	}
	r.fact("", c, fmt.Sprintf("%s  %7s  %s", k.Time.Local().Format(time.TimeOnly), Took(time.Duration(k.Duration)), text))
}

// inUse says whether clients get a server.
func inUse(sv director.ServiceStatus, rs director.ServerStatus) (string, colour) {
	switch {
	case sv.Starting:
		return "not yet in use: the service begins when the first checks have decided", yellow
	case rs.State == director.Pending:
		return "ABOUT TO BE USED", yellow
	case rs.State == director.Kept && rs.Current > 0:
		return "in use although its checks fail", red
	case rs.Current > 0:
		return "in use", green
	case rs.State == director.Up || rs.State == director.Drain:
		return "keeps its connections and gets no new ones", yellow
	}
	return "OUT OF USE", red
}

func inARow(n int, what string) string {
	switch {
	case n <= 1:
		return "one " + what
	case strings.HasSuffix(what, "s"):
		what += "e"
	}
	return fmt.Sprintf("%d %ss in a row", n, what)
}

// why says what has brought the server into its state.
func (r *renderer) why(sv director.ServiceStatus, rs director.ServerStatus, x director.ServerExplanation) string {
	var parts []string
	switch {
	case x.MaintenanceFile != "":
		parts = append(parts, fmt.Sprintf("the file %s keeps it in maintenance", x.MaintenanceFile))
	case rs.Admin != nil && rs.Admin.State != "":
		parts = append(parts, strings.TrimSpace(string(rs.Admin.State)+ordered(*rs.Admin, r.Now)))
	}
	if t := Trouble(r.Now, rs); t != "" && (len(parts) == 0 || rs.Result != "") {
		parts = append(parts, t)
	}
	if rs.State == director.Up && rs.Current == 0 {
		parts = append(parts, withoutClients(sv, rs))
	}
	if len(parts) == 0 {
		parts = append(parts, cmp.Or(rs.Cause, "nothing keeps it out"))
	}
	return fmt.Sprintf("%s for %s: %s", rs.State, Ago(r.Now, rs.Since), strings.Join(parts, "; "))
}

// withoutClients says why a server that is up gets none.
func withoutClients(sv director.ServiceStatus, rs director.ServerStatus) string {
	switch {
	case rs.Weight == 0 || rs.Request != "" || rs.Admin != nil && rs.Admin.Weight != nil || !sv.FallbackActive:
		return "its weight is 0"
	case sv.Admin != nil && sv.Admin.State == director.Active:
		return "the fallback answers by order"
	case sv.Quorum != nil:
		return "the fallback answers, because of " + quorum(*sv.Quorum)
	}
	return "the fallback answers"
}

// weight says which weight is in force, and what has set it.
func (r *renderer) weight(rs director.ServerStatus, x director.ServerExplanation) string {
	text := fmt.Sprintf("%d in force; the file says %d", rs.Current, rs.Weight)
	if rs.Admin != nil && rs.Admin.Weight != nil {
		text += fmt.Sprintf(", an order %d%s", *rs.Admin.Weight, ordered(*rs.Admin, r.Now))
	}
	if rs.Request != "" {
		text += "; the server asks for " + rs.Request
	}
	if rs.SlowStart > 0 {
		text += fmt.Sprintf("; slow start has come to %.0f%%, and to all at %s", 100*rs.SlowStart, Clock(x.Whole))
	}
	return text
}

// next says what will change the state of a server, and when.
func (r *renderer) next(sv director.ServiceStatus, rs director.ServerStatus, x director.ServerExplanation) (all []string) {
	add := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	kept := false
	if x.MaintenanceFile != "" {
		kept = true
		add("out until the file is gone: rm %s", x.MaintenanceFile)
	}
	if a := rs.Admin; a != nil && a.State != "" {
		kept = true
		add("until the order is taken back: shunt ready %s --virtual '%s'", rs.Server, sv.Service)
	} else if a != nil && a.Weight != nil {
		add("the file's weight again: shunt weight %s file --virtual '%s'", rs.Server, sv.Service)
	}
	switch {
	case rs.Weight == 0 && (rs.Admin == nil || rs.Admin.Weight == nil):
		add("clients only when the file gives it a weight above 0, or: shunt weight %s 1 --virtual '%s'", rs.Server, sv.Service)
	case rs.Request != "" && rs.Current == 0 && !kept:
		add("clients when the server asks for something else")
	}
	if x.Every == 0 {
		return all
	}
	text := "a check is under way"
	if wait := x.Next.Sub(r.Now); !x.Next.IsZero() && wait > 0 {
		text = fmt.Sprintf("a check in %s", Took(wait.Round(100*time.Millisecond)))
	} else if !x.Next.IsZero() {
		text = "a check is due"
	}
	switch left := x.Successes - rs.Rises; {
	case rs.State == director.Up && rs.Fails > 0:
		text += "; down after " + more(x.Failures-rs.Fails, "failure")
	case rs.State == director.Down || rs.State == director.Kept:
		if text += "; up after "; rs.Rises == 0 {
			text += inARow(x.Successes, "success")
		} else {
			text += more(left, "success")
		}
	case kept && rs.Result != "":
		text += "; it has to be well before it can serve"
	}
	return append(all, text)
}

func more(n int, what string) string {
	return strings.Replace(inARow(max(1, n), "more "+what), " in a row", "", 1)
}
