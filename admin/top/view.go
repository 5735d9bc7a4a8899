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
