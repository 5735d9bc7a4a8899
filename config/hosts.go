package config

import (
	"bufio"
	"bytes"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	hostsPath = "/etc/hosts"
	// hostsCached is for how long Go's resolver believes what it has read there,
	// and a little more for the grain of the clocks of file systems.
	hostsCached = 5*time.Second + 2*time.Second
)

// A hostsFile is the system's list of hosts as it is now: what stands there
// counts at once, as it does for the C library.
type hostsFile struct {
	addrs   map[question]netip.Addr
	changed time.Time
}

// readHosts reads the list. One that cannot be read has no hosts.
func readHosts(path string) *hostsFile {
	h := &hostsFile{addrs: map[question]netip.Addr{}}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err == nil {
		h.changed = later(time.Unix(st.Mtim.Unix()), time.Unix(st.Ctim.Unix()))
	}
	text, err := ReadFile(path)
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
func (h *hostsFile) line(text string) {
	text, _, _ = strings.Cut(text, "#")
	words := strings.Fields(text)
	if len(words) < 2 {
		return
	}
	a, err := netip.ParseAddr(words[0])
	if err != nil {
		return
	}
	q := question{network: "ip4"}
	if a = a.Unmap().WithZone(""); a.Is6() {
		q.network = "ip6"
	}
	for _, name := range words[1:] {
		q.host = plainName(name)
		if _, dup := h.addrs[q]; !dup {
			h.addrs[q] = a
		}
	}
}

// plainName is a name as all its spellings have it.
func plainName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

func (h *hostsFile) find(q question) (netip.Addr, bool) {
	if h == nil {
		return netip.Addr{}, false
	}
	a, ok := h.addrs[question{q.network, plainName(q.host)}]
	return a, ok
}

// young reports whether the list has changed so short a time ago that others
// may not have read it since.
func (h *hostsFile) young() bool { return h != nil && time.Since(h.changed) < hostsCached }
