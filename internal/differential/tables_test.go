//go:build kernel

package differential

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/netlab"
)

// A walk is one file on its way through the events.
type walk struct {
	file        file
	directors   []*director
	servers     []*server
	path        string // of the configuration
	maintenance string // the folder
	cleanstop   string
	withoutLast bool // section
}

// An event is something that happens to both directors, and how their tables
// look afterwards: with quiescent=no, and with quiescent=yes if that differs.
type event struct {
	name      string
	happens   func(t *testing.T, w *walk)
	table     string
	quiescent string
}

var events = []event{
	{name: "start", happens: begin("1:2 2:1", "no"), table: "1:2 2:1"},
	{name: "one check fails", happens: fail(1), table: "2:1", quiescent: "1:0 2:1"},
	{name: "all fail", happens: fail(2), table: "F", quiescent: "1:0 2:0 F"},
	{name: "one recovers", happens: mend(2), table: "2:1", quiescent: "1:0 2:1"},
	{name: "all recover", happens: mend(1), table: "1:2 2:1"},
	{name: "weight edited", happens: reload("1:5 2:1"), table: "1:5 2:1"},
	{name: "server added", happens: reload("1:5 2:1 3:3"), table: "1:5 2:1 3:3"},
	{name: "server removed", happens: reload("2:1 3:3"), table: "2:1 3:3"},
	{name: "service removed", happens: services(true, "2:1 3:3"), table: "2:1 3:3"},
	{name: "service added", happens: services(false, "2:1 3:3"), table: "2:1 3:3"},
	{name: "maintenance file", happens: maintain(3), table: "2:1", quiescent: "2:1 3:0"},
	{name: "maintenance over", happens: release(3), table: "2:1 3:3"},
	{name: "stop, cleanstop=no", happens: stop, table: "2:1 3:3"},
	{name: "table changed meanwhile", happens: tamper, table: "2:7 4:1"},
	{name: "start over that table", happens: begin("2:1 3:3", "yes"), table: "2:1 3:3"},
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
}

// few are the events of a file whose services are all special.
var few = []event{
	{name: "start", happens: begin("1:2 2:1", "yes")},
	{name: "one check fails", happens: fail(1)},
	{name: "all weights 0", happens: reload("1:0 2:0")},
	{name: "stop, cleanstop=yes", happens: stop, table: "gone"},
}

// passes are the events that happen to f.
func (f file) passes() []event {
	if f.special {
		return few
	}
	return events
}

// TestTables takes every file through all events.
func TestTables(t *testing.T) {
	equipped(t)
	for i, f := range files {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			w := newWalk(t, f, i)
			for _, e := range f.passes() {
				e.happens(t, w)
				w.compare(t, e)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// compare waits until both tables are as they have to be after an event.
func (w *walk) compare(t *testing.T, e event) {
	t.Helper()
	for _, d := range w.directors {
		d.until(t, e.name, w.now().table(e, d.name))
	}
}

// newWalk joins two directors and three real servers by a network.
func newWalk(t *testing.T, f file, number int) *walk {
	t.Helper()
	lab := netlab.Test(t)
	w := &walk{file: f, directors: pair(t, lab), maintenance: t.TempDir()}
	// ldirectord makes the name of a file in /run of it.
	w.path = filepath.Join(t.TempDir(), fmt.Sprintf("differential%d.cf", number))
	var ends []netlab.End
	for i, d := range w.directors {
		ends = append(ends, netlab.End{In: d.in, Link: "eth0", Addrs: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", 50+i)),
			netip.MustParsePrefix(fmt.Sprintf("fd00::%d/64", 50+i)),
		}})
	}
	for i := range 3 {
		in, err := lab.Namespace(fmt.Sprintf("server%d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		s := newServer(in, i+1)
		w.servers = append(w.servers, s)
		ends = append(ends, netlab.End{In: in, Link: "eth0", Addrs: s.addrs})
	}
	if _, err := lab.Bridge("lan", ends...); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.servers {
		s.listen(t)
	}
	return w
}

// write replaces the configuration at once, as an editor does.
func (w *walk) write(t *testing.T, servers string) {
	t.Helper()
	text := w.now().config(servers, w.cleanstop, w.maintenance)
	if err := os.WriteFile(w.path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.path+".new", w.path); err != nil {
		t.Fatal(err)
	}
}

func begin(servers, cleanstop string) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		w.cleanstop = cleanstop
		w.write(t, servers)
		for _, d := range w.directors {
			d.start(t, w.path)
		}
	}
}

func reload(servers string) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		w.write(t, servers)
		for _, d := range w.directors {
			d.reload(t)
		}
	}
}

// services reloads a file with or without its last section.
func services(withoutLast bool, servers string) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		w.withoutLast = withoutLast
		reload(servers)(t, w)
	}
}

// now is the file as it is now.
func (w *walk) now() file {
	f := w.file
	if w.withoutLast {
		f.sections = f.sections[:len(f.sections)-1]
	}
	return f
}

func stop(t *testing.T, w *walk) {
	for _, d := range w.directors {
		d.stop(t)
	}
}

func fail(number int) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) { w.servers[number-1].fail(t, w.file.fails) }
}

func mend(number int) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) { w.servers[number-1].mend(t, w.file.fails) }
}

// maintain puts files named after a server into the maintenance folder.
func maintain(number int) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		for _, name := range w.servers[number-1].notices() {
			if err := os.WriteFile(filepath.Join(w.maintenance, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func release(number int) func(*testing.T, *walk) {
	return func(t *testing.T, w *walk) {
		for _, name := range w.servers[number-1].notices() {
			if err := os.Remove(filepath.Join(w.maintenance, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// tamper has the table changed while nobody directs: a weight is another, a
// server is gone, and there is one that nobody knows.
func tamper(t *testing.T, w *walk) {
	for _, d := range w.directors {
		for _, s := range w.file.sections {
			edit := strings.Fields(expand(s.dest, "2:7"))
			d.ipvsadm(t, append([]string{"-e"}, edit[1:]...)...)
			gone := strings.Fields(expand(s.dest, "3:3"))
			d.ipvsadm(t, append([]string{"-d"}, gone[1:5]...)...)
			d.ipvsadm(t, strings.Fields(expand(s.dest, "4:1"))...)
		}
	}
}
