package top_test

import (
	"context"
	"errors"
	"flag"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/top"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	time.Local = time.UTC // golden files hold local times
	leak.Main(m)
}

// A source keeps the orders that it is given.
type source struct {
	orders []director.Order
	asked  []string // name and service
	err    error
}

func (s *source) Explain(_ context.Context, name, service string) (director.Explanation, error) {
	s.asked = append(s.asked, name+" in "+service)
	sv := fixture.Troubled().Services[0]
	return director.Explanation{At: fixture.Now, Services: []director.ServiceExplanation{{Service: sv, Whole: true, Line: "ldirectord.cf:9"}}}, s.err
}

func (s *source) Status(context.Context) (director.Status, error) {
	return director.Status{}, errors.New("a model asks by itself")
}

func (s *source) Order(_ context.Context, o director.Order) ([]director.OrderStatus, error) {
	s.orders = append(s.orders, o)
	return nil, s.err
}

// A screen is a model that a test presses keys of.
type screen struct {
	t   *testing.T
	m   *top.Model
	src *source
}

func newScreen(t *testing.T, st director.Status, width, height int, color bool) *screen {
	t.Helper()
	src := &source{}
	s := &screen{t, top.New(t.Context(), src, top.Options{Host: "lvs1", Color: color}), src}
	s.m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	s.tell(st, fixture.Now)
	return s
}

func (s *screen) tell(st director.Status, at time.Time) {
	s.m.Update(top.Told{Status: st, At: at})
}

var named = map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "backspace": tea.KeyBackspace, "end": tea.KeyEnd, "home": tea.KeyHome}

// press presses keys, and carries out at once what they are for.
func (s *screen) press(keys ...string) {
	s.t.Helper()
	for _, k := range keys {
		msg := tea.KeyPressMsg{Text: k}
		if code, ok := named[k]; ok {
			msg = tea.KeyPressMsg{Code: code}
		} else {
			msg.Code, _ = utf8.DecodeRuneInString(k)
		}
		if _, cmd := s.m.Update(msg); cmd != nil {
			if answer := cmd(); answer != nil {
				s.m.Update(answer)
			}
		}
	}
}

func (s *screen) write(text string) {
	for _, r := range text {
		s.press(string(r))
	}
}

func (s *screen) has(want ...string) {
	s.t.Helper()
	for _, w := range want {
		if got := s.m.Screen(); !strings.Contains(got, w) {
			s.t.Errorf("no %q in\n%s", w, got)
		}
	}
}

// cursor returns the line of the cursor.
func (s *screen) cursor() string {
	return regexp.MustCompile(`(?m)^> .*$`).FindString(s.m.Screen())
}

// busy is the troubled director after a time at work.
func busy(after time.Duration) director.Status {
	st := fixture.Troubled()
	web := &st.Services[0]
	n := uint64(after / time.Second)
	web.Counters.Connections += 120 * n
	web.Counters.InBytes += 3 << 20 * n
	web.Counters.OutBytes += 40 << 20 * n
	web.Counters.Failures += 2 * n
	web.Servers[0].Counters.Connections += 120 * n
	web.Servers[0].Counters.OutBytes += 40 << 20 * n
	return st
}

func TestScreens(t *testing.T) {
	for name, tt := range map[string]struct {
		st            director.Status
		width, height int
		color         bool
		keys          []string
	}{
		"calm-80.txt":      {st: fixture.Calm(), width: 80, height: 24},
		"troubled-80.txt":  {st: fixture.Troubled(), width: 80, height: 24},
		"troubled-120.txt": {st: fixture.Troubled(), width: 120, height: 24, color: true},
		"ordered-100.txt":  {st: fixture.Ordered(), width: 100, height: 24, keys: []string{"j", "j", "enter"}},
		"many-80.txt":      {st: fixture.Many(1000), width: 80, height: 24, keys: []string{"f"}},
		"help-80.txt":      {st: fixture.Calm(), width: 80, height: 24, keys: []string{"?"}},
	} {
		s := newScreen(t, tt.st, tt.width, tt.height, tt.color)
		s.press(tt.keys...)
		fixture.Golden(t, *update, name, s.m.Screen()+"\n")
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// A screen has its size, whatever it shows. A terminal may say that it has none.
func TestScreenSize(t *testing.T) {
	for _, st := range []director.Status{fixture.Calm(), fixture.Troubled(), fixture.Many(30), {}, fixture.Poisoned()} {
		for _, size := range [][2]int{{80, 24}, {120, 50}, {40, 10}, {20, 5}, {2, 3}, {1, 24}, {1, 1}, {0, 0}} {
			s := newScreen(t, st, size[0], size[1], true)
			for _, keys := range [][]string{nil, {"j", "j", "enter"}, {"?"}, {"esc", "d"}, {"esc", "/", "x"}} {
				s.press(keys...)
				lines := strings.Split(s.m.Screen(), "\n")
				if len(lines) != max(1, size[1]) {
					t.Errorf("%d lines on a screen of %d", len(lines), size[1])
				}
				for _, l := range lines {
					l = escapes.ReplaceAllString(l, "")
					if n := utf8.RuneCountInString(l); n > size[0] || strings.ContainsAny(l, "\x1b\x00\r\t") {
						t.Errorf("%d columns of %d: %q", n, size[0], l)
					}
				}
			}
		}
	}
}

// The colour of a service says what its figures do: a pending real server is not up.
func TestColourOfPending(t *testing.T) {
	st := fixture.Calm()
	pending := st.Services[0].Servers[0]
	pending.Server, pending.State, pending.Current = "192.168.80.111:80", director.Pending, 0
	st.Services[0].Servers = append(st.Services[0].Servers, pending)
	newScreen(t, st, 80, 24, true).has("\x1b[33m1/2 up")
}

// Rates are those of the time between two looks, and a minute of them is drawn.
func TestRates(t *testing.T) {
	s := newScreen(t, busy(0), 130, 24, false)
	for i := 1; i <= 90; i++ {
		s.tell(busy(time.Duration(i)*time.Second), fixture.Now.Add(time.Duration(i)*time.Second))
	}
	s.has("tcp 10.0.0.100:80 www.example.com", "    120     119    2.0    3.0M     40M ████████████")
	s.tell(fixture.Calm(), fixture.Now.Add(92*time.Second)) // begun anew: smaller than before
	if strings.Contains(s.m.Screen(), "-") && strings.Contains(s.m.Screen(), "e+") {
		t.Errorf("odd figures:\n%s", s.m.Screen())
	}
}

func TestKeysChoose(t *testing.T) {
	s := newScreen(t, fixture.Many(1000), 80, 24, false)
	for _, step := range []struct{ key, want string }{
		{"j", "192.168.0.110:80"},
		{"down", "192.168.0.120:80"},
		{"k", "192.168.0.110:80"},
		{"end", "192.168.249.130:80"},
		{"up", "192.168.249.120:80"},
		{"home", "tcp 10.0.0.100:80 www0"},
		{"up", "tcp 10.0.0.100:80 www0"},
	} {
		s.press(step.key)
		if got := s.cursor(); !strings.Contains(got, step.want) {
			t.Errorf("after %s on %q, want %s", step.key, got, step.want)
		}
	}
	s.press("/")
	s.write("www13.")
	s.press("enter")
	if got := s.m.Screen(); strings.Count(got, "tcp ") != 1 || !strings.Contains(got, "192.168.13.130:80") {
		t.Errorf("searched for www13.:\n%s", got)
	}
	s.press("f")
	if got := s.m.Screen(); strings.Contains(got, "192.168.13.110:80") || !strings.Contains(got, "192.168.13.130:80") {
		t.Errorf("down only:\n%s", got)
	}
	s.press("esc")
	if got := s.m.Screen(); strings.Count(got, "tcp ") != 3 {
		t.Errorf("all that is down:\n%s", got)
	}
}

// Services are sorted by what happens now; real servers stay with theirs.
func TestKeySort(t *testing.T) {
	st := fixture.Many(3)
	s := newScreen(t, st, 100, 24, false)
	later := fixture.Many(3)
	later.Services[2].Counters.Connections += 500
	s.tell(later, fixture.Now.Add(time.Second))
	s.press("s", "home")
	if got := s.cursor(); !strings.Contains(got, "10.0.2.100:80") {
		t.Errorf("first is %q", got)
	}
	s.has("s: conn/s")
}

// An order is given after its question alone, with what was typed.
func TestKeysOrder(t *testing.T) {
	s := newScreen(t, fixture.Troubled(), 120, 24, false)
	s.press("d")
	s.has("choose a real server first")
	s.press("j", "d")
	s.has("drain 192.168.80.110:80 in tcp 10.0.0.100:80? reason: _")
	s.write("deploy 47q1")
	s.press("esc")
	s.has("nothing was done")
	if len(s.src.orders) > 0 {
		t.Fatalf("Esc gives %+v", s.src.orders)
	}
	s.press("d")
	s.write("qx")
	s.press("backspace", "enter")
	s.has("drain of 192.168.80.110:80: done")
	s.press("j", "w")
	s.has("weight of 192.168.80.120:80 in tcp 10.0.0.100:80 (N, N%, file): _")
	s.write("50%")
	s.src.err = errors.New("not for \x1b[2Jyou")
	s.press("enter")
	s.has("weight of 192.168.80.120:80: not for \uFFFD[2Jyou")
	s.press("m", "enter", "r", "enter")
	want := []director.Order{
		{Verb: director.VerbDrain, Real: "192.168.80.110:80", Service: "tcp 10.0.0.100:80", Reason: "q"},
		{Verb: director.VerbWeight, Real: "192.168.80.120:80", Service: "tcp 10.0.0.100:80", Weight: "50%"},
		{Verb: director.VerbMaint, Real: "192.168.80.120:80", Service: "tcp 10.0.0.100:80"},
		{Verb: director.VerbReady, Real: "192.168.80.120:80", Service: "tcp 10.0.0.100:80"},
	}
	if len(s.src.orders) != len(want) {
		t.Fatalf("orders: %+v", s.src.orders)
	}
	for i := range want {
		if s.src.orders[i] != want[i] {
			t.Errorf("order %+v, want %+v", s.src.orders[i], want[i])
		}
	}
}

// Where shunt does not answer, the last that was heard stays, and says so.
func TestNoAnswer(t *testing.T) {
	s := newScreen(t, fixture.Troubled(), 100, 24, false)
	s.m.Update(top.Told{Err: errors.New("no shunt is running")})
	s.has("NO ANSWER since 2026-03-14 15:09:26 UTC", "192.168.80.110:80")
	fresh := &screen{t, top.New(t.Context(), &source{}, top.Options{Host: "lvs1"}), nil}
	fresh.m.Update(top.Told{Err: errors.New("no shunt is running")})
	fresh.has("no shunt is running")
}

// TestExplain: e asks about the row of the cursor and shows the answer in place of the
// list until Esc, on any screen.
func TestExplain(t *testing.T) {
	for _, width := range []int{1, 20, 80, 200} {
		s := newScreen(t, busy(0), width, 24, false)
		list := s.m.Screen()
		s.press("e", "esc", "down", "e")
		sv := busy(0).Services[0]
		if want := []string{sv.Service + " in ", sv.Servers[0].Server + " in " + sv.Service}; strings.Join(s.src.asked, "; ") != strings.Join(want, "; ") {
			t.Errorf("asked was %q, want %q", s.src.asked, want)
		}
		if width >= 80 {
			s.has("ldirectord.cf:9", "server   "+sv.Servers[0].Server, "Esc goes back")
		}
		if n := strings.Count(s.m.Screen(), "\n"); n != 23 {
			t.Errorf("%d lines on a screen of 24", n+1)
		}
		s.press("esc", "up")
		if now := s.m.Screen(); now != list {
			t.Errorf("after Esc the screen is\n%s\nwas\n%s", now, list)
		}
	}
	s := newScreen(t, busy(0), 80, 24, false)
	s.src.err = errors.New("no virtual service is called so")
	s.press("e")
	s.has("no virtual service is called so", "SERVICE / REAL SERVER")
}
