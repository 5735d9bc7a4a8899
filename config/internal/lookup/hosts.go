package lookup

import (
	"bufio"
	"bytes"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/files"
)

const (
	hostsPath = "/etc/hosts"
	// maxRead is how many bytes of it, or of services(5), are read.
	maxRead = 16<<20 + 1
	// hostsCached is how long Go's resolver uses what it has read there, and a
	// little more, since the clocks of file systems are coarse.
	hostsCached = 5*time.Second + 2*time.Second
)

// Hosts are the system's list of hosts as it is now: a change counts at once, as
// it does for the C library.
type Hosts struct {
	addrs   map[Question]netip.Addr
	changed time.Time
}

// SystemHosts reads /etc/hosts as it is now.
func SystemHosts() *Hosts { return readHosts(hostsPath) }

// readHosts reads the list. If that fails the list is empty.
func readHosts(path string) *Hosts {
	h := &Hosts{addrs: map[Question]netip.Addr{}}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err == nil {
		h.changed = later(time.Unix(st.Mtim.Unix()), time.Unix(st.Ctim.Unix()))
	}
	text, err := files.Read(path, maxRead)
	if err != nil {
		return h
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		h.line(lines.Text())
	}
	return h
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// line reads one of hosts(5). Of several addresses of one name the first
// counts.
func (h *Hosts) line(text string) {
	text, _, _ = strings.Cut(text, "#")
	words := strings.Fields(text)
	if len(words) < 2 {
		return
	}
	a, err := netip.ParseAddr(words[0])
	if err != nil {
		return
	}
	q := Question{Network: "ip4"}
	if a = a.Unmap().WithZone(""); a.Is6() {
		q.Network = "ip6"
	}
	for _, name := range words[1:] {
		q.Host = plainName(name)
		if _, dup := h.addrs[q]; !dup {
			h.addrs[q] = a
		}
	}
}

// plainName returns the one spelling that all spellings of a name share.
func plainName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

func (h *Hosts) find(q Question) (netip.Addr, bool) {
	if h == nil {
		return netip.Addr{}, false
	}
	a, ok := h.addrs[Question{q.Network, plainName(q.Host)}]
	return a, ok
}

// young reports whether the list has changed so recently that Go's resolver may
// not have read it since.
func (h *Hosts) young() bool { return h != nil && time.Since(h.changed) < hostsCached }
