package top

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

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
