package top

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

// A Model is what the screen shows. It changes by Update alone and reads no clock: now
// is the time of the latest answer.
type Model struct {
	ctx context.Context
	src Source
	o   Options

	width, height int
	status        director.Status
	failed        error // of the latest question
	at            time.Time
	meters        meters

	rows   []row
	cursor key // the row that keys are about
	top    int // the first row on the screen

	search    string
	searching bool
	down      bool // only what is not up
	sort      int  // one of sorts
	help      bool
	detail    bool
	explained []string // in place of the list, nil for nothing
	prompt    *prompt
	message   string // the end of the latest order
}

// A row is a line of the list.
type row struct {
	key
	sv *director.ServiceStatus
	rs *director.ServerStatus // nil for a service
}

// A prompt asks for what an order needs.
type prompt struct {
	order director.Order
	text  string
}

// sorts are the orders of services; the first is that of the configuration.
var sorts = []struct {
	name string
	of   func(*Model, *director.ServiceStatus) float64
}{
	{"configuration", nil},
	{"conn/s", func(m *Model, sv *director.ServiceStatus) float64 { return m.rateOf(key{sv.Service, ""}).connections }},
	{"out/s", func(m *Model, sv *director.ServiceStatus) float64 { return m.rateOf(key{sv.Service, ""}).out }},
	{"err/s", func(m *Model, sv *director.ServiceStatus) float64 { return m.rateOf(key{sv.Service, ""}).errors }},
	{"active", func(_ *Model, sv *director.ServiceStatus) float64 { return float64(active(row{sv: sv})) }},
}

// New returns a model without a status yet.
func New(ctx context.Context, src Source, o Options) *Model {
	return &Model{ctx: ctx, src: src, o: o, width: 80, height: 24}
}

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd { return m.ask }

// Update implements tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, max(1, msg.Height)
	case Told:
		m.told(msg)
		cmd = m.later()
	case Ordered:
		m.message = fmt.Sprintf("%s of %s: done", msg.Order.Verb, msg.Order.Real)
		if msg.Err != nil {
			m.message = fmt.Sprintf("%s of %s: %v", msg.Order.Verb, msg.Order.Real, msg.Err)
		}
	case Explained: // in place of the list, until Esc
		if msg.Err != nil {
			m.message = msg.Err.Error()
		} else {
			m.explained = msg.lines(text.Options{Width: m.width, Color: m.o.Color})
		}
	case tea.KeyPressMsg:
		cmd = m.key(msg)
	}
	m.list()
	return m, cmd
}

// told takes an answer. One that failed leaves the rest as it was.
func (m *Model) told(t Told) {
	m.failed = t.Err
	if t.Err != nil {
		return
	}
	m.status, m.at = t.Status, t.At
	m.meters = m.meters.look(t.Status, t.At)
}

func (m *Model) rateOf(k key) rate {
	if one := m.meters[k]; one != nil {
		return one.rate
	}
	return rate{}
}

// key does what a key is for.
func (m *Model) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	switch {
	case name == "ctrl+c":
		return tea.Quit
	case m.prompt != nil:
		return m.answer(k)
	case m.searching:
		m.typed(k, &m.search, func() { m.searching = false }, func() { m.search, m.searching = "", false })
		return nil
	}
	m.message = ""
	switch name {
	case "q":
		return tea.Quit
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-m.lines(m.details()))
	case "pgdown", "space":
		m.move(m.lines(m.details()))
	case "home", "g":
		m.move(-len(m.rows))
	case "end", "G":
		m.move(len(m.rows))
	case "/":
		m.searching, m.search = true, ""
	case "f":
		m.down = !m.down
	case "s":
		m.sort = (m.sort + 1) % len(sorts)
	case "?":
		m.help = !m.help
	case "enter":
		m.detail = !m.detail
	case "e":
		return explain(m.ctx, m.src, m.current())
	case "esc":
		if m.explained == nil {
			m.help, m.detail, m.search = false, false, ""
		}
		m.explained = nil
	case "d", "m", "r", "w":
		m.begin(verbs[name])
	}
	return nil
}

var verbs = map[string]director.Verb{"d": director.VerbDrain, "m": director.VerbMaint, "r": director.VerbReady, "w": director.VerbWeight}

// begin asks for the reason, or weight, of an order about the row of the cursor.
func (m *Model) begin(v director.Verb) {
	r := m.current()
	if r == nil || r.rs == nil {
		m.message = "choose a real server first"
		return
	}
	m.prompt = &prompt{order: director.Order{Verb: v, Real: r.rs.Server, Service: r.sv.Service}}
}

// answer takes a key while an order is being written. Nothing is done before Enter.
func (m *Model) answer(k tea.KeyPressMsg) (cmd tea.Cmd) {
	m.typed(k, &m.prompt.text, func() {
		o := m.prompt.order
		if o.Verb == director.VerbWeight {
			o.Weight = strings.TrimSpace(m.prompt.text)
		} else {
			o.Reason = strings.TrimSpace(m.prompt.text)
		}
		m.prompt, m.message = nil, fmt.Sprintf("%s of %s …", o.Verb, o.Real)
		cmd = m.give(o)
	}, func() { m.prompt, m.message = nil, "nothing was done" })
	return cmd
}

// longest is how many characters of an answer are taken.
const longest = 200

// typed takes a key for a text.
func (m *Model) typed(k tea.KeyPressMsg, text *string, enter, leave func()) {
	switch k.String() {
	case "enter":
		enter()
	case "esc":
		leave()
	case "backspace":
		if r := []rune(*text); len(r) > 0 {
			*text = string(r[:len(r)-1])
		}
	default:
		if len(*text)+len(k.Text) <= longest {
			*text += k.Text
		}
	}
}

// list makes the rows, and keeps the cursor on one of them.
func (m *Model) list() {
	services := make([]*director.ServiceStatus, len(m.status.Services))
	for i := range m.status.Services {
		services[i] = &m.status.Services[i]
	}
	if of := sorts[m.sort].of; of != nil {
		slices.SortStableFunc(services, func(a, b *director.ServiceStatus) int {
			switch x, y := of(m, a), of(m, b); {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
	}
	m.rows = m.rows[:0]
	for _, sv := range services {
		m.rows = append(m.rows, m.rowsOf(sv)...)
	}
	m.move(0)
}

// rowsOf returns the rows of a service that are searched for and not filtered away.
func (m *Model) rowsOf(sv *director.ServiceStatus) []row {
	all := []row{{key{sv.Service, ""}, sv, nil}}
	whole := m.found(sv.Service + " " + sv.Name)
	for i := range sv.Servers {
		rs := &sv.Servers[i]
		if (whole || m.found(rs.Server)) && (!m.down || rs.State != director.Up) {
			all = append(all, row{key{sv.Service, rs.Server}, sv, rs})
		}
	}
	if len(all) == 1 && (m.down && !sv.FallbackActive || !whole) {
		return nil
	}
	return all
}

func (m *Model) found(text string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(m.search))
}

// current returns the row of the cursor, nil for none.
func (m *Model) current() *row {
	if i := m.index(); i >= 0 {
		return &m.rows[i]
	}
	return nil
}

func (m *Model) index() int {
	return slices.IndexFunc(m.rows, func(r row) bool { return r.key == m.cursor })
}

// move moves the cursor by n rows, and the screen with it.
func (m *Model) move(n int) {
	if len(m.rows) == 0 {
		m.top = 0
		return
	}
	i := max(0, min(len(m.rows)-1, max(0, m.index())+n))
	m.cursor = m.rows[i].key
	m.top = min(max(m.top, i-m.lines(m.details())+1, 0), i)
}
