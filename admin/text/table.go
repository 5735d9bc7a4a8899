package text

import (
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

var columns = table.Row{"SERVICE / REAL SERVER", "FWD", "WEIGHT", "STATE", "ACTIVE", "TOTAL", "CHECK"}

// A row is one line of the table, with what stands under it.
type row struct {
	cells table.Row
	note  string
	color colour // of the note
}

// table writes services, of many only those that problems are about.
func (r *renderer) table(services []director.ServiceStatus, problems []Problem) {
	r.line("")
	if len(services) == 0 {
		r.line("%s", r.none())
		return
	}
	shown := services
	if !r.All && r.Filter == (Filter{}) && count(services) > enough {
		shown = troubled(services, problems)
	}
	var rows []row
	for _, sv := range shown {
		rows = append(rows, r.rows(sv)...)
	}
	if len(rows) > 0 {
		r.layout(rows)
	}
	if n := len(services) - len(shown); n > 0 {
		r.detail("", plain, fmt.Sprintf("and %d more virtual services%s; --all shows them, --service, --real and --down choose", n, beyond(services, problems)))
	}
}

// none says that there is no service, or none that the filter selects.
func (r *renderer) none() string {
	switch {
	case r.Filter == (Filter{}):
		return "no virtual services"
	case r.Filter.Down:
		return "no such real server is out of use"
	}
	return "no such virtual service or real server: `shunt status --all` has them all"
}

// beyond says whether those that are not shown are all without problems.
func beyond(services []director.ServiceStatus, problems []Problem) string {
	if len(about(services, problems)) == len(troubled(services, problems)) {
		return " without problems"
	}
	return ""
}

// about returns the services that problems are about.
func about(services []director.ServiceStatus, problems []Problem) (found []director.ServiceStatus) {
	has := map[string]bool{}
	for _, p := range problems {
		has[p.Service] = true
	}
	for _, sv := range services {
		if has[sv.Service] {
			found = append(found, sv)
		}
	}
	return found
}

// troubled returns the first of the services that problems are about, as many as
// have few rows, and one at least.
func troubled(services []director.ServiceStatus, problems []Problem) []director.ServiceStatus {
	found := about(services, problems)
	for i := range found {
		if i > 0 && count(found[:i+1]) > enough {
			return found[:i]
		}
	}
	return found
}

// count returns how many rows services have.
func count(services []director.ServiceStatus) (n int) {
	for _, sv := range services {
		n += 1 + len(sv.Servers)
	}
	return n
}

func (r *renderer) rows(sv director.ServiceStatus) []row {
	rows := []row{r.service(r.whole[sv.Service])}
	for _, rs := range sv.Servers {
		rows = append(rows, r.server(rs))
		for _, c := range rs.Checks {
			rows = append(rows, row{cells: table.Row{r.paint(plain, "    "+c.Check), "", "", "", "", "", r.paint(plain, CheckWord(c))}})
		}
	}
	if sv.Fallback != "" {
		rows = append(rows, r.fallback(sv))
	}
	return rows
}

// layout writes rows without lines between them, as ipvsadm does. No cell has
// a line break, so that each row is one line under the header's.
func (r *renderer) layout(rows []row) {
	t := table.NewWriter()
	t.SetStyle(table.StyleDefault)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "", "  "
	t.AppendHeader(columns)
	for _, row := range rows {
		t.AppendRow(row.cells)
	}
	right := func(n int) table.ColumnConfig {
		return table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight}
	}
	t.SetColumnConfigs([]table.ColumnConfig{right(3), right(5), right(6)})
	for i, l := range strings.Split(t.Render(), "\n") {
		r.line("%s", strings.TrimRight(l, " "))
		if i > 0 && rows[i-1].note != "" {
			r.detail("    ", rows[i-1].color, rows[i-1].note)
		}
	}
}

func (r *renderer) service(sv director.ServiceStatus) row {
	up, kept, active := 0, 0, 0
	for _, rs := range sv.Servers {
		up += one(rs.State == director.Up)
		kept += one(rs.State == director.Kept)
		active += rs.Active
	}
	c := green
	switch {
	case up == 0:
		c = red
	case up < len(sv.Servers):
		c = yellow
	}
	state := fmt.Sprintf("%d/%d up", up, len(sv.Servers))
	if kept > 0 {
		state, c = state+fmt.Sprintf(", %d KEPT", kept), red
	}
	if sv.Starting {
		state, c = "starting", yellow
	}
	return row{
		cells: table.Row{
			r.paint(bold, sv.Service), "", "",
			r.paint(c, state), active, sv.Counters.Connections, "",
		},
		note: About(sv), color: faint,
	}
}

// About returns how sv is configured, how many clients wait, how many were
// refused and why, and how many connections were cut.
func About(sv director.ServiceStatus) string {
	var parts []string
	if sv.Name != "" {
		parts = append(parts, sv.Name)
	}
	parts = append(parts, sv.Scheduler, "check "+sv.Check)
	if q := sv.Quorum; q != nil {
		parts = append(parts, quorum(*q))
	}
	if sv.ErrorLimit > 0 {
		parts = append(parts, fmt.Sprintf("observe connect (errorlimit %d)", sv.ErrorLimit))
	}
	if sv.Verify != "" {
		parts = append(parts, "verify "+sv.Verify)
	}
	if sv.Persistent > 0 {
		parts = append(parts, "persistent "+Span(time.Duration(sv.Persistent)))
	}
	if sv.Waiting > 0 {
		parts = append(parts, fmt.Sprintf("waiting %d", sv.Waiting))
	}
	if sv.Full {
		parts = append(parts, "FULL: clients wait to be accepted")
	}
	for _, c := range []struct {
		what string
		n    uint64
	}{
		{"refused", sv.Counters.Refused},
		{"denied", sv.Counters.Denied},
		{"throttled", sv.Counters.Throttled},
		{"missing PROXY header", sv.Counters.MissingProxyHeader},
		{"cut", sv.Counters.Cut},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", c.what, c.n))
			if c.what == "refused" {
				parts[len(parts)-1] += byReason(sv.Counters.Refusals)
			}
		}
	}
	return strings.Join(parts, ", ")
}

// quorum returns the weight of the usable servers, and the weight that is needed.
func quorum(q director.QuorumStatus) string {
	text := fmt.Sprintf("quorum %d of %d", q.Weight, q.Quorum)
	if q.Hysteresis > 0 {
		text += fmt.Sprintf(" (hysteresis %d)", q.Hysteresis)
	}
	if !q.Reached {
		text += " NOT REACHED"
	}
	return text
}

// byReason returns the reasons for which clients were refused, in brackets; "" if
// they are unknown.
func byReason(all dataplane.Refusals) string {
	var parts []string
	for why, n := range all {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", dataplane.Refusal(why), n))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (r *renderer) server(rs director.ServerStatus) row {
	weight := fmt.Sprint(rs.Current)
	if rs.Current != rs.Weight {
		weight = fmt.Sprintf("%d/%d", rs.Current, rs.Weight)
	}
	return row{
		cells: table.Row{
			r.paint(plain, "  "+rs.Server), r.paint(plain, Wrapped(rs)), weight, r.state(rs),
			rs.Active, rs.Counters.Connections, LatestCheck(rs),
		},
		note: Trouble(r.Now, rs),
	}
}

// Wrapped returns the forwarding method of rs, or its tunnel type if that is not
// IP in IP. The JSON has all of the tunnel.
func Wrapped(rs director.ServerStatus) string {
	if rs.Tunnel == "" {
		return rs.Forward
	}
	word, _, _ := strings.Cut(rs.Tunnel, " ")
	return word
}

// state returns the state of rs, and since when it has it.
func (r *renderer) state(rs director.ServerStatus) string {
	word, c := stateWord(rs.State)
	return r.paint(c, word) + " " + Ago(r.Now, rs.Since)
}

// stateWord returns the word for a state on screens, and its colour.
func stateWord(s director.State) (string, colour) {
	switch s {
	case director.Up:
		return "up", green
	case director.Down:
		return "DOWN", red
	case director.Kept:
		return "KEPT", red
	case director.Pending, director.Drain:
		return string(s), yellow
	case director.Maintenance:
		return "maint", yellow
	}
	return string(s), plain
}

func (r *renderer) fallback(sv director.ServiceStatus) row {
	state := "standby"
	if sv.FallbackActive {
		state = r.paint(red, "ACTIVE")
	}
	return row{cells: table.Row{
		r.paint(plain, "  "+sv.Fallback+" (fallback)"), "", "", state, "", sv.FallbackCounters.Connections, "",
	}}
}

// LatestCheck returns the result of the latest check in a word or two.
func LatestCheck(rs director.ServerStatus) string {
	switch {
	case rs.Checked.IsZero():
		return "none yet"
	case rs.Result == "":
		return "ok " + Took(time.Duration(rs.Duration))
	}
	return "failed " + Took(time.Duration(rs.Duration))
}

// CheckWord says in a word or two how one of several checks stands.
func CheckWord(c director.CheckStatus) string {
	switch {
	case c.Checked.IsZero():
		return "none yet"
	case c.Silent:
		return "silent"
	case !c.OK && c.Result == "":
		return "down"
	case c.Result == "":
		return "ok " + Took(time.Duration(c.Duration))
	}
	return "failed " + Took(time.Duration(c.Duration))
}

// soon is how long before its end a certificate is mentioned.
const soon = 14 * 24 * time.Hour

// expiry returns when the certificate of rs ends, "" if that is not soon.
func expiry(now time.Time, rs director.ServerStatus) string {
	switch left := rs.Expires.Sub(now); {
	case rs.Expires.IsZero() || left > soon:
		return ""
	case left <= 0:
		return "its certificate expired on " + rs.Expires.UTC().Format(time.DateOnly)
	default:
		return "its certificate expires in " + Span(left)
	}
}

// Trouble returns why rs is not up, or what may soon take it down; "" where all
// is well.
func Trouble(now time.Time, rs director.ServerStatus) string {
	var parts []string
	if rs.State == director.Pending {
		parts = append(parts, "it is well, and the dataplane does not have it yet")
	} else if rs.State != director.Up && rs.Cause != "" && rs.Cause != rs.Result {
		parts = append(parts, rs.Cause)
	}
	if rs.SlowStart > 0 {
		parts = append(parts, fmt.Sprintf("slow start %.0f%%", 100*rs.SlowStart))
	}
	if rs.Hastened > 0 {
		parts = append(parts, "check hastened "+Times(rs.Hastened)+" by failed connections")
	}
	if rs.Request != "" && !strings.HasSuffix(rs.Cause, rs.Request) {
		parts = append(parts, "it asks for "+rs.Request)
	}
	if e := expiry(now, rs); e != "" {
		parts = append(parts, e)
	}
	switch {
	case rs.State == director.Kept && strings.Contains(rs.Cause, rs.Result):
	case rs.Result != "" && rs.Fails > 1:
		parts = append(parts, fmt.Sprintf("%s (%s in a row)", rs.Result, Times(uint64(rs.Fails))))
	case rs.Result != "":
		parts = append(parts, rs.Result)
	case rs.State == director.Down && rs.Rises > 0:
		parts = append(parts, "check ok "+Times(uint64(rs.Rises)))
	}
	return strings.Join(parts, "; ")
}
