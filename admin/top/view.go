package top

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

// frame is how many lines of the screen are not rows: the summary, the heading and the
// line of keys.
const frame = 3

// lines is how many rows the screen has room for above details.
func (m *Model) lines(details []string) int { return max(1, m.height-frame-len(details)) }

// View implements tea.Model.
func (m *Model) View() tea.View {
	v := tea.NewView(m.Screen())
	v.AltScreen = true
	return v
}

// Screen is the text on the screen: as many lines as it has, none wider than it.
func (m *Model) Screen() string {
	all := []string{m.summary()}
	switch {
	case m.help:
		all = append(all, strings.Split(helpText, "\n")...)
	case m.explained != nil:
		all = append(append(all, ""), m.explained...)
	default:
		all = append(all, m.heading())
		details := m.details()
		for i, end := m.top, min(len(m.rows), m.top+m.lines(details)); i < end; i++ {
			all = append(all, m.line(m.rows[i]))
		}
		if len(m.rows) == 0 {
			all = append(all, m.nothing())
		}
		for len(all) < m.height-1-len(details) {
			all = append(all, "")
		}
		all = append(all, details...)
	}
	for len(all) < m.height-1 {
		all = append(all, "")
	}
	all = append(all[:m.height-1], m.foot())
	for i := range all {
		all[i] = ansi.Truncate(all[i], m.width, "")
	}
	return strings.Join(all, "\n")
}

const helpText = `
  up down k j    choose a row             /    search, Esc ends it
  PgUp PgDn      a screen further         f    only what is not up
  g G            first, last              s    sort by the next column
  enter          details of the row       q    quit
  e              why the row is so, and what happens next; Esc goes back

  on a real server, each with a question before anything is done:
  d  drain: no new connections, the old ones go on
  m  maint: out of use, as a file in maintenancedir does
  r  ready: takes drain and maint back
  w  weight: N, N% of the configured one, or file for that

  CONN/S, IN/S, OUT/S and ERR/S are of the time since the last look; 60s has the
  connections a second of the last minute. Errors are connections that failed on
  the way to a real server, and clients refused.`

// paint marks s with a colour where that is wanted.
func (m *Model) paint(colour, s string) string {
	if !m.o.Color || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

const (
	green  = "32"
	yellow = "33"
	red    = "31;1"
	bold   = "1"
)

func (m *Model) summary() string {
	host := text.Printable(m.o.Host)
	switch {
	case m.failed != nil && m.at.IsZero():
		return m.paint(red, "shunt "+host+"  "+text.Printable(m.failed.Error()))
	case m.at.IsZero():
		return "shunt " + host
	}
	s := text.Summarize(m.status)
	c, parts := green, []string{fmt.Sprintf("shunt %s  %d/%d well", host, s.Well, s.Services)}
	for _, p := range []struct {
		n    int
		what string
	}{
		{s.OnFallback, "fallback ACTIVE"},
		{s.Unusable, "without server"},
		{s.NotServed, "NOT SERVED"},
		{s.Failing, "failing"},
		{s.Starting, "starting"},
		{s.Down, "down"},
		{s.Kept, "KEPT"},
		{s.Drained, "drained"},
		{s.Maintained, "maint"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	switch {
	case s.Well < s.Services || s.Unready != "":
		c = red
	case s.Up < s.Servers:
		c = yellow
	}
	left, right := strings.Join(parts, "  "), text.Clock(m.at)
	if m.failed != nil {
		c, right = red, "NO ANSWER since "+right
	}
	if room := m.width - ansi.StringWidth(left) - ansi.StringWidth(right); room > 0 {
		left += strings.Repeat(" ", room)
	} else {
		left = ansi.Truncate(left, max(0, m.width-ansi.StringWidth(right)-1), "") + " "
	}
	return m.paint(c, left+right)
}

// A column shows something of a row. Those that do not fit are left out, the last first.
type column struct {
	title string
	width int
	left  bool
	of    func(*Model, row) string
}

var columns = []column{
	{"STATE", 15, true, (*Model).state},
	{"W", 5, false, func(_ *Model, r row) string { return weight(r) }},
	{"CONN/S", 7, false, func(m *Model, r row) string { return count(m.rateOf(r.key).connections) }},
	{"ACTIVE", 7, false, func(_ *Model, r row) string { return fmt.Sprint(active(r)) }},
	{"ERR/S", 6, false, func(m *Model, r row) string { return count(m.rateOf(r.key).errors) }},
	{"IN/S", 7, false, func(m *Model, r row) string { return size(m.rateOf(r.key).in) }},
	{"OUT/S", 7, false, func(m *Model, r row) string { return size(m.rateOf(r.key).out) }},
	{"60s", 12, true, func(m *Model, r row) string {
		if one := m.meters[r.key]; one != nil {
			return one.sparkline(m.at, 12)
		}
		return ""
	}},
	{"CHECK", 14, true, func(_ *Model, r row) string {
		if r.rs == nil {
			return ""
		}
		return text.LatestCheck(*r.rs)
	}},
}

// shortest is how wide the name of a row is at least.
const shortest = 26

// fitting returns the columns that fit, and the width that is left for names.
func (m *Model) fitting() ([]column, int) {
	room := m.width - 2 // before the name
	n := 0
	for n < len(columns) && room-columns[n].width-1 >= shortest {
		room -= columns[n].width + 1
		n++
	}
	return columns[:n], max(0, min(room, 50))
}

func (m *Model) heading() string {
	fit, name := m.fitting()
	cells := []string{"  " + padded("SERVICE / REAL SERVER", name, true)}
	for _, c := range fit {
		cells = append(cells, padded(c.title, c.width, c.left))
	}
	return m.paint(bold, strings.Join(cells, " "))
}

// padded brings s to a width.
func padded(s string, width int, left bool) string {
	s = ansi.Truncate(s, width, "…")
	blanks := strings.Repeat(" ", width-ansi.StringWidth(s))
	if left {
		return s + blanks
	}
	return blanks + s
}

func (m *Model) line(r row) string {
	fit, name := m.fitting()
	title := "  " + r.server
	if r.rs == nil {
		title = strings.TrimSpace(r.service + " " + r.sv.Name)
	}
	mark := "  "
	if r.key == m.cursor {
		mark = "> "
	}
	line := mark + padded(text.Printable(title), name, true)
	if r.rs == nil {
		line = m.paint(bold, line)
	}
	for _, c := range fit {
		cell := padded(text.Printable(c.of(m, r)), c.width, c.left)
		if c.title == "STATE" {
			cell = m.paint(colour(r), cell)
		}
		line += " " + cell
	}
	return line
}

func (m *Model) state(r row) string {
	if r.rs == nil {
		switch {
		case r.sv.Error != "":
			return "NOT SERVED"
		case r.sv.FallbackActive:
			return "FALLBACK ACTIVE"
		case r.sv.Starting:
			return "starting"
		}
		return fmt.Sprintf("%d/%d up", up(r.sv), len(r.sv.Servers))
	}
	word := string(r.rs.State)
	switch r.rs.State {
	case director.Down, director.Kept:
		word = strings.ToUpper(word)
	case director.Maintenance:
		word = "maint"
	}
	return word + " " + text.Ago(m.at, r.rs.Since)
}

// up counts the real servers of sv that are up. A pending one is not: the dataplane does
// not have it yet.
func up(sv *director.ServiceStatus) (n int) {
	for _, rs := range sv.Servers {
		if rs.State == director.Up {
			n++
		}
	}
	return n
}

func colour(r row) string {
	if r.rs == nil {
		switch {
		case r.sv.Error != "" || r.sv.FallbackActive || !text.Usable(*r.sv):
			return red
		case up(r.sv) < len(r.sv.Servers):
			return yellow
		}
		return green
	}
	switch r.rs.State {
	case director.Up:
		return green
	case director.Down, director.Kept:
		return red
	}
	return yellow
}

func weight(r row) string {
	switch {
	case r.rs == nil:
		return ""
	case r.rs.Current != r.rs.Weight:
		return fmt.Sprintf("%d/%d", r.rs.Current, r.rs.Weight)
	}
	return fmt.Sprint(r.rs.Weight)
}

func active(r row) (n int) {
	if r.rs != nil {
		return r.rs.Active
	}
	for _, rs := range r.sv.Servers {
		n += rs.Active
	}
	return n
}

// count writes a number a second.
func count(f float64) string {
	switch {
	case f == 0:
		return "0"
	case f < 10:
		return fmt.Sprintf("%.1f", f)
	case f < 100_000:
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.0fk", f/1000)
}

// size writes a number of bytes a second in few characters.
func size(f float64) string {
	units := []string{"", "K", "M", "G", "T"}
	i := 0
	for ; f >= 1000 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i > 0 && f < 10 {
		return fmt.Sprintf("%.1f%s", f, units[i])
	}
	return fmt.Sprintf("%.0f%s", f, units[i])
}

// nothing says why there are no rows.
func (m *Model) nothing() string {
	switch {
	case m.at.IsZero():
		return ""
	case m.search != "" || m.down:
		return "  nothing of that kind: Esc ends the search, f shows what is up as well"
	}
	return "  no virtual services"
}

// details are lines below the list about the row of the cursor, none unless asked for.
func (m *Model) details() []string {
	r := m.current()
	if !m.detail || r == nil || m.help {
		return nil
	}
	all := []string{m.paint(bold, strings.Repeat("─", max(0, m.width)))}
	for _, p := range text.Problems(director.Status{Services: []director.ServiceStatus{*r.sv}}, m.at) {
		if p.Service == "" || r.rs != nil && p.Server != r.server {
			continue
		}
		all = append(all, text.Printable(p.Level.String()+"  "+p.Text))
		for _, d := range p.Details {
			all = append(all, "  "+text.Printable(d))
		}
	}
	if len(all) == 1 {
		all = append(all, "nothing is wrong with it")
	}
	if r.rs != nil {
		line := "check: " + text.LatestCheck(*r.rs)
		if !r.rs.Checked.IsZero() {
			line += fmt.Sprintf(", %s ago; %d good and %d bad so far; %s", text.Ago(m.at, r.rs.Checked), r.rs.ChecksOK, r.rs.ChecksBad, r.rs.Cause)
		}
		all = append(all, text.Printable(line))
	} else {
		all = append(all, text.Printable(text.About(*r.sv)))
	}
	var folded []string
	for _, l := range all {
		folded = append(folded, strings.Split(ansi.Wrap(l, max(20, m.width), " "), "\n")...)
	}
	return folded[:min(len(folded), max(0, m.height/2))]
}

// foot is the last line: a question, the end of an order, or the keys.
func (m *Model) foot() string {
	switch p := m.prompt; {
	case p != nil && p.order.Verb == director.VerbWeight:
		return m.ending(fmt.Sprintf("weight of %s in %s (N, N%%, file): ", p.order.Real, p.order.Service), p.text)
	case p != nil:
		return m.ending(fmt.Sprintf("%s %s in %s? reason: ", p.order.Verb, p.order.Real, p.order.Service), p.text)
	case m.searching:
		return m.ending("search: ", m.search)
	case m.message != "":
		return text.Printable(m.message)
	case m.explained != nil:
		return "Esc goes back  e asks again  d drain  m maint  r ready  w weight  q quit"
	case m.search != "":
		return text.Printable("found of \"" + m.search + "\" (Esc shows all)")
	}
	sorted, filter := "s sort", "f down"
	if m.sort > 0 {
		sorted = "s: " + sorts[m.sort].name
	}
	if m.down {
		filter = "f: all"
	}
	return fmt.Sprintf("d drain  m maint  r ready  w weight  / search  %s  %s  ? help  q quit", filter, sorted)
}

// ending is a question with the end of what was typed, so that both fit.
func (m *Model) ending(question, typed string) string {
	const keys = "_  (enter, esc)"
	line := text.Printable(question+typed) + keys
	if n := ansi.StringWidth(line) - m.width; n > 0 {
		line = "…" + ansi.TruncateLeft(line, n+1, "")
	}
	return line
}
