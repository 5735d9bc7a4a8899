package ipvs

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// script prints steps, one on a line.
func script(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		switch s.verb {
		case addService, setService:
			fmt.Fprintf(&b, "%s %s\n", s.verb, s.options.scheduler)
		case delServer:
			fmt.Fprintf(&b, "%s: %s\n", s.verb, short(s.server))
		default:
			fmt.Fprintf(&b, "%s: %s weight %d\n", s.verb, short(s.server), s.server.weight)
		}
	}
	return b.String()
}

// short is the last octet.
func short(s server) string {
	a := s.addr.Addr().String()
	return a[strings.LastIndexByte(a, '.')+1:]
}

// pool makes a state out of weights, -1 for a server that is not there.
func pool(scheduler string, weights ...int) state {
	s := state{options: options{scheduler: scheduler, netmask: 0xffffffff}}
	for i, w := range weights {
		if w >= 0 {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80)
			s.servers = append(s.servers, server{addr: addr, weight: w})
		}
	}
	return s
}

// change returns s with a change to its i-th server.
func (s state) change(i int, fn func(*server)) state {
	s.servers = append([]server(nil), s.servers...)
	fn(&s.servers[i])
	return s
}

func TestDiff(t *testing.T) {
	have := func(scheduler string, weights ...int) *state { s := pool(scheduler, weights...); return &s }
	for _, c := range []struct {
		name string
		have *state
		want state
		take string
	}{
		{
			"new, first real server added last", nil, pool("rr", 1, 2, 3),
			"add none\nadd to: 3 weight 3\nadd to: 2 weight 2\nadd to: 1 weight 1\nchange rr\n",
		},
		{"new and empty", nil, pool("wrr"), "add none\nchange wrr\n"},
		{
			"new, quiescent ones too", nil, pool("rr", 0, 1, 0),
			"add none\nadd to: 2 weight 1\nchange rr\nadd to: 3 weight 0\nadd to: 1 weight 0\n",
		},
		{"building was interrupted", have("none", -1, -1, 3), pool("rr", 1, 2, 3), "add to: 2 weight 2\nadd to: 1 weight 1\nchange rr\n"},
		{"building was interrupted before it opened", have("none", 1, 2), pool("rr", 1, 2), "change rr\n"},
		{"equal", have("wlc", 1, 0, 5), pool("wlc", 1, 0, 5), ""},
		{"equal but for the order", have("rr", 1, 2), state{pool("rr").options, []server{pool("rr", 1, 2).servers[1], pool("rr", 1).servers[0]}}, ""},
		{"both empty", have("rr"), pool("rr"), ""},
		{"scheduler", have("rr", 1), pool("wlc", 1), "change wlc\n"},
		{"weight", have("rr", 1, 1), pool("rr", 1, 5), "change on: 2 weight 5\n"},
		{"quiesced", have("rr", 1, 1), pool("rr", 1, 0), "change on: 2 weight 0\n"},
		{"brought back", have("rr", 1, 0), pool("rr", 1, 1), "change on: 2 weight 1\n"},
		{"one more", have("rr", 1), pool("rr", 1, 1), "add to: 2 weight 1\n"},
		{"one less", have("rr", 1, 1), pool("rr", 1), "remove from: 2\n"},
		{"all gone", have("rr", 1, 1), pool("rr"), "remove from: 1\nremove from: 2\n"},
		{"swapped: the new one first", have("rr", 1), pool("rr", -1, 1), "add to: 2 weight 1\nremove from: 1\n"},
		{"quiescent one takes over", have("rr", 1, 0), pool("rr", 0, 1), "change on: 2 weight 1\nchange on: 1 weight 0\n"},
		{"quiescent one takes over from one that leaves", have("rr", 1, 0), pool("rr", -1, 1), "change on: 2 weight 1\nremove from: 1\n"},
		{"fallback in", have("wrr", 1, 1, -1), pool("wrr", 0, 0, 1), "add to: 3 weight 1\nchange on: 2 weight 0\nchange on: 1 weight 0\n"},
		{"fallback out", have("wrr", 0, 0, 1), pool("wrr", 1, 0, -1), "change on: 1 weight 1\nremove from: 3\n"},
		{"added quiescent", have("rr", 1), pool("rr", 1, 0), "add to: 2 weight 0\n"},
		{
			"everything at once", have("rr", 1, 2, 3, 0, -1, -1), pool("lc", -1, 0, 4, 1, 1, 0),
			"change lc\nadd to: 5 weight 1\nchange on: 4 weight 1\nadd to: 6 weight 0\nchange on: 3 weight 4\nchange on: 2 weight 0\nremove from: 1\n",
		},
		{"threshold", have("rr", 1), pool("rr", 1).change(0, func(s *server) { s.upper = 9 }), "change on: 1 weight 1\n"},
		{"forwarding method", have("rr", 1), pool("rr", 1).change(0, func(s *server) { s.method = methodDirect }), "change on: 1 weight 1\n"},
		{
			"tunnel of somebody else", &state{pool("rr").options, pool("rr", 1).change(0, func(s *server) { s.tunnel.kind = 1 }).servers},
			pool("rr", 1), "change on: 1 weight 1\n",
		},
		{"another port is another server", have("rr", 1), pool("rr", 1).change(0, func(s *server) {
			s.addr = netip.AddrPortFrom(s.addr.Addr(), 8080)
		}), "add to: 1 weight 1\nremove from: 1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.take, script(diff(c.have, c.want))); d != "" {
				t.Errorf("steps (-want +got):\n%s", d)
			}
		})
	}
}

func TestDiffMindsEveryOption(t *testing.T) {
	want := pool("rr", 1)
	for name, change := range map[string]func(*options){
		"scheduler": func(o *options) { o.scheduler = "lc" },
		"flags":     func(o *options) { o.flags = flagOnePacket },
		"timeout":   func(o *options) { o.timeout = 1 },
		"netmask":   func(o *options) { o.netmask = 1 },
		"engine":    func(o *options) { o.engine = "sip" },
	} {
		have := pool("rr", 1)
		change(&have.options)
		if got := script(diff(&have, want)); got != "change rr\n" {
			t.Errorf("%s was changed by somebody else: steps %q", name, got)
		}
	}
}
