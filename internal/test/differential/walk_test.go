//go:build kernel

package differential

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A walk is one file on its way through the events.
type walk struct {
	state
	file      file
	directors []*director
	servers   []*server
	path      string // of the configuration
}

// Folders of a walk: of files named after real servers.
const (
	maintenance = "maintenance"
	denied      = "denied" // external checks of these fail
)

// newWalk joins two directors and three real servers by a network.
func newWalk(t *testing.T, f file, number int, l *launcher) *walk {
	t.Helper()
	lab := netlab.Test(t)
	w := &walk{file: f, state: state{folder: t.TempDir(), cleanstop: "no"}, directors: newDirectors(t, lab, f, l)}
	// ldirectord makes the name of a file in /run of it.
	w.path = filepath.Join(t.TempDir(), fmt.Sprintf("differential%d.cf", number))
	w.furnish(t)
	w.connect(t, lab)
	for _, s := range w.servers {
		s.listen(t)
		if f.offers {
			s.offer(t)
		}
	}
	return w
}

// connect makes the real servers, and the network.
func (w *walk) connect(t *testing.T, lab *netlab.Lab) {
	t.Helper()
	var ends []netlab.End
	for i, d := range w.directors {
		ends = append(ends, netlab.End{In: d.kernel.in, Link: "eth0", Addrs: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", 50+i)),
			netip.MustParsePrefix(fmt.Sprintf("fd00::%d/64", 50+i)),
		}})
	}
	for number := 1; number <= 3; number++ {
		in, err := lab.Namespace(fmt.Sprintf("server%d", number))
		if err != nil {
			t.Fatal(err)
		}
		s := newServer(in, number)
		w.servers = append(w.servers, s)
		ends = append(ends, netlab.End{In: in, Link: "eth0", Addrs: s.addrs})
	}
	if _, err := lab.Bridge("lan", ends...); err != nil {
		t.Fatal(err)
	}
}

// furnish puts into the folder what configurations name: the folder of
// maintenance files, and two external checks.
func (w *walk) furnish(t *testing.T) {
	t.Helper()
	for _, name := range []string{maintenance, denied} {
		if err := os.Mkdir(filepath.Join(w.folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"check":    "#!/bin/sh\ntest ! -e \"%D/denied/$3\"\n",
		"check.pl": "#!/usr/bin/perl\nexit(-e \"%D/denied/$ARGV[2]\" ? 1 : 0);\n",
	} {
		if err := os.WriteFile(filepath.Join(w.folder, name), []byte(w.expand(text, "")), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// put puts files named after a server into one of the folders, or takes them
// out.
func (w *walk) put(t *testing.T, folder string, number int, there bool) {
	t.Helper()
	for _, name := range w.servers[number-1].names() {
		path := filepath.Join(w.folder, folder, name)
		err := os.Remove(path)
		if there {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// write replaces the configurations at once, as an editor does.
func (w *walk) write(t *testing.T) {
	t.Helper()
	for _, d := range w.directors {
		path := w.path + d.suffix
		if err := os.WriteFile(path+".new", []byte(d.config(w.file, w.state)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

// compare waits until both tables are as they have to be after an event.
func (w *walk) compare(t *testing.T, e event) {
	t.Helper()
	for _, d := range w.directors {
		want := w.file.table(w.state, e, d.name)
		if e.halts && d.name == ldirectord.name {
			d.halts(t, e.name, want)
			continue
		}
		d.until(t, e.name, want, w.file.sections[0].limits != "")
	}
}
