package top

import (
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

// seconds is how far back a sparkline goes.
const seconds = 60

// A key names a row: a service, or a real server of it.
type key struct{ service, server string }

// A rate is how fast the counters of a row grow, a second.
type rate struct{ connections, in, out, errors float64 }

// A meter keeps the counters of a row at the last look, the rates since the look before
// it, and the connections a second of the last minute.
type meter struct {
	counters dataplane.Counters
	at       time.Time
	rate     rate
	minute   []sample // the oldest first
}

type sample struct {
	at          time.Time
	connections float64
}

// meters are those of all rows.
type meters map[key]*meter

// look takes the counters of st at a time, and forgets rows that are gone.
func (m meters) look(st director.Status, at time.Time) meters {
	next := make(meters, len(m))
	add := func(k key, c dataplane.Counters) {
		one := m[k]
		if one == nil {
			one = &meter{}
		}
		one.add(c, at)
		next[k] = one
	}
	for _, sv := range st.Services {
		add(key{sv.Service, ""}, sv.Counters)
		for _, rs := range sv.Servers {
			add(key{sv.Service, rs.Server}, rs.Counters)
		}
	}
	return next
}

func (m *meter) add(c dataplane.Counters, at time.Time) {
	before, since := m.counters, at.Sub(m.at).Seconds()
	first := m.at.IsZero()
	if !first && since <= 0 {
		return
	}
	m.counters, m.at = c, at
	if first {
		return
	}
	grown := func(before, now uint64) float64 {
		if now < before { // begun anew
			before = 0
		}
		return float64(now-before) / since
	}
	m.rate = rate{
		connections: grown(before.Connections, c.Connections), in: grown(before.InBytes, c.InBytes), out: grown(before.OutBytes, c.OutBytes),
		errors: grown(before.Failures+before.Refused, c.Failures+c.Refused),
	}
	m.minute = append(m.minute, sample{at, m.rate.connections})
	for len(m.minute) > 0 && at.Sub(m.minute[0].at) >= seconds*time.Second {
		m.minute = m.minute[1:]
	}
}

// sparkline draws the connections a second of the minute before now in so many cells,
// each the greatest of its time. A cell without a look is blank.
func (m *meter) sparkline(now time.Time, cells int) string {
	const blocks = "▁▂▃▄▅▆▇█"
	greatest, most := make([]float64, cells), 0.0
	for i := range greatest {
		greatest[i] = -1
	}
	for _, s := range m.minute {
		i := cells - 1 - int(now.Sub(s.at)*time.Duration(cells)/(seconds*time.Second))
		if i >= 0 && i < cells {
			greatest[i] = max(greatest[i], s.connections)
			most = max(most, s.connections)
		}
	}
	var b strings.Builder
	for _, g := range greatest {
		switch {
		case g < 0:
			b.WriteByte(' ')
		case most == 0:
			b.WriteString("▁")
		default:
			b.WriteRune([]rune(blocks)[int(g/most*7)])
		}
	}
	return b.String()
}
