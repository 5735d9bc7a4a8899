package daemon

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

func (b *fixture) load() *dataplane.Load {
	b.t.Helper()
	s, err := b.Status(b.t.Context())
	if err != nil || s.Dataplane.Load == nil {
		b.t.Fatalf("status has the load %v (%v)", s.Dataplane.Load, err)
	}
	return s.Dataplane.Load
}

// turnedAway reports whether a new connection is reset.
func (b *fixture) turnedAway() bool {
	c, err := net.Dial("tcp", b.vip)
	if err == nil {
		defer c.Close()
		err = exchange(c)
	}
	return err != nil
}

// reload puts text in force, in which old stands for what is in the file now.
func (b *fixture) reload(edit func(old string) string) {
	b.t.Helper()
	old, err := os.ReadFile(b.file)
	if err != nil {
		b.t.Fatal(err)
	}
	b.write(edit(string(old)))
	if err := b.Reload(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// The bounds of the configuration hold from the start on, and those of a reload
// at once. Who is there stays.
func TestBounds(t *testing.T) {
	b := set(t, "maxconnections = 2\nmaxflows = 7\nmaxbuffers = 3M\n"+service)
	first, second := b.connect(), b.connect()
	defer first.Close()
	defer second.Close()
	third, err := net.Dial("tcp", b.vip)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	b.waits("a third connection")
	l := b.load()
	if l.Connections.Used != 2 || l.Connections.Limit != 2 || l.Connections.Refused == 0 || l.Flows.Limit != 7 || l.Buffers.Limit != 3<<20 {
		t.Errorf("the load is %+v, want two of two connections and one that waits, 7 flows, 3 MiB", l)
	}
	b.reload(func(old string) string { return strings.Replace(old, "maxconnections = 2", "maxconnections = 3", 1) })
	if err := exchange(third); err != nil {
		t.Errorf("who has waited: %v", err)
	}
	b.reload(func(old string) string { return strings.Replace(old, "maxconnections = 3", "maxconnections = 1", 1) })
	for _, c := range []net.Conn{first, second, third} {
		if err := exchange(c); err != nil {
			t.Errorf("a connection from before the reload: %v", err)
		}
	}
	fourth, err := net.Dial("tcp", b.vip)
	if err != nil {
		t.Fatal(err)
	}
	defer fourth.Close()
	b.waits("another connection")
	b.reload(func(old string) string { return strings.Replace(old, "maxconnections = 1\n", "", 1) })
	if err := exchange(fourth); err != nil {
		t.Errorf("who has waited: %v", err)
	}
	if got := b.load().Connections.Limit; got < 4 {
		t.Errorf("without a bound %d connections may be, want what the machine allows", got)
	}
	b.connect().Close()
}

// A list is read with the configuration, and again at a reload; one that is
// wrong is refused with its own line, and the one before stays in force.
func TestListReload(t *testing.T) {
	b := set(t, service)
	b.connect().Close()
	list := filepath.Join(b.dir, "blocked")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("# nobody yet\n")
	b.reload(func(old string) string { return "deny = @" + list + "\n" + old })
	c := b.connect()
	defer c.Close()
	put("127.0.0.0/8 # everybody here\n")
	if b.turnedAway() {
		t.Error("a list counts before it is read")
	}
	b.reload(func(old string) string { return old })
	if !b.turnedAway() {
		t.Error("a client on the list is served")
	}
	if err := exchange(c); err != nil {
		t.Errorf("a connection from before the reload: %v", err)
	}
	put("127.0.0.0/8\nlocalhost\n")
	err := b.Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), list+":2:1: error: `localhost`") {
		t.Errorf("reload with a wrong list: %v, want its file and line", err)
	}
	if !b.turnedAway() {
		t.Error("the list before does not stay in force")
	}
	s, err := b.Status(t.Context())
	if err != nil || s.Services[0].Counters.Denied < 2 {
		t.Errorf("counted %+v (%v), want those denied", s.Services[0].Counters, err)
	}
	put("")
	b.reload(func(old string) string { return old })
	b.connect().Close()
}

// Bounds that the process cannot get to are a warning that says what it needs.
func TestUnreachable(t *testing.T) {
	tests := []struct {
		text  string
		files int
		line  int // of the warning, 0 for none
		hint  string
	}{
		{"", 64, 0, ""},
		{"maxconnections=1000\n", 2500, 0, ""},
		{"maxconnections=1000\n", 2499, 1, "LimitNOFILE=2500 in the unit, or ulimit -Hn 2500 before the start"},
		{"\nmaxflows=1000\n", 1000, 2, "LimitNOFILE=1250 in the unit, or ulimit -Hn 1250 before the start"},
		{"maxflows=1000\nmaxconnections=1000\n", 3000, 2, "LimitNOFILE=3750 in the unit, or ulimit -Hn 3750 before the start"},
	}
	for _, tt := range tests {
		conf, err := config.Parse(t.Context(), "test.cf", []byte(tt.text), config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := unreachable(conf, tt.files)
		line, hint := 0, ""
		if len(got) > 0 {
			line, hint = got[0].Pos.Line, got[0].Hint
		}
		if len(got) > 1 || line != tt.line || hint != tt.hint {
			t.Errorf("%q with %d files: %v, want line %d and %q", tt.text, tt.files, got, tt.line, tt.hint)
		}
	}
}

// More flows than there are local ports for are a warning as well.
func TestPortless(t *testing.T) {
	tests := []struct {
		text  string
		flows int
		line  int // of the warning, 0 for none
	}{
		{"", 100, 0},
		{"maxflows=100\n", 100, 0},
		{"\nmaxflows=101\n", 100, 2},
		{"maxconnections=101\n", 100, 0},
	}
	for _, tt := range tests {
		conf, err := config.Parse(t.Context(), "test.cf", []byte(tt.text), config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, line := portless(conf, tt.flows, 115), 0
		if len(got) > 0 {
			line = got[0].Pos.Line
			if text := got[0].Text + got[0].Hint; !strings.Contains(text, "has 115, of which flows may have 100, not 101") || !strings.Contains(text, "ip_local_port_range") {
				t.Errorf("%q: %s", tt.text, text)
			}
		}
		if len(got) > 1 || line != tt.line {
			t.Errorf("%q with ports for %d flows: %v, want line %d", tt.text, tt.flows, got, tt.line)
		}
	}
}

// waits waits until a client waits in the backlog.
func (b *fixture) waits(what string) {
	b.t.Helper()
	wait.Until(b.t, what+" waits", func() bool { return b.load().Connections.FullListeners > 0 })
}

// TestSourceLimits: the proxy has the source limits of a section.
func TestSourceLimits(t *testing.T) {
	b := set(t, "sourceconnections = 1\n"+service+"\tsourceconnections = 2\n\tsourcerate = 1000/s\n\tsourceprefix = 8\n")
	first, second := b.connect(), b.connect()
	defer first.Close()
	defer second.Close()
	if !b.turnedAway() {
		t.Error("a third connection is taken in")
	}
	s, err := b.Status(t.Context())
	if err != nil || s.Services[0].Counters.Throttled == 0 {
		t.Errorf("counted %+v (%v), want one throttled", s.Services[0].Counters, err)
	}
}
