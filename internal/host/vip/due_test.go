package vip

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A failingSender keeps announcements, all of which fail.
type failingSender []string

func (y *failingSender) announce(index int, mac net.HardwareAddr, addr netip.Addr) error {
	*y = append(*y, fmt.Sprint(index, mac, addr))
	return errors.New("nobody listens")
}

func (y *failingSender) close() error { return nil }

// link7 is link number 7 with these flags.
func link7(flags uint32) map[string]*link {
	attrs := netlink.LinkAttrs{Index: 7, RawFlags: flags, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 7}}
	return map[string]*link{"eth0": {link: &netlink.Device{LinkAttrs: attrs}}}
}

// TestWhenAnnouncementsAreDue: announcements follow the state of a link.
func TestWhenAnnouncementsAreDue(t *testing.T) {
	const up = unix.IFF_UP | unix.IFF_RUNNING
	added := Address{netip.MustParseAddr("10.1.0.100"), "eth0"}
	adopted := Address{netip.MustParseAddr("10.1.0.101"), "eth0"}
	y := &failingSender{}
	m := &Manager{log: slog.New(slog.DiscardHandler), neighbours: y, held: map[Address]*state{
		added: {wanted: true, there: true, added: 7}, adopted: {wanted: true, there: true},
	}}
	start := time.Unix(1e9, 0)
	// seconds calls announce when the last call says so, as tend does, and
	// returns the times at which announcements were sent.
	seconds := func(flags uint32) (sent []float64) {
		var now time.Duration
		for now < 20*time.Second {
			before := len(*y)
			next := m.announce(link7(flags), start.Add(now))
			if len(*y) > before {
				sent = append(sent, now.Seconds())
			}
			now += next
		}
		return sent
	}
	for _, step := range []struct {
		name  string
		flags uint32
		want  []float64
	}{
		{"down", 0, nil},
		{"up without a carrier", unix.IFF_UP, nil},
		{"up", up, []float64{0, 1, 2, 5, 15}},
		{"still up", up, nil},
		{"down again", 0, nil},
		{"up again", up, []float64{0, 1, 2, 5, 15}},
		{"a link without neighbours", up | unix.IFF_NOARP, nil},
	} {
		if got := seconds(step.flags); !slices.Equal(got, step.want) {
			t.Errorf("%s: announced after %v seconds, want %v", step.name, got, step.want)
		}
	}
	if want := "7 02:00:00:00:00:07 10.1.0.100"; slices.ContainsFunc(*y, func(s string) bool { return s != want }) {
		t.Errorf("announced were %q, want %q alone", *y, want)
	}
}
