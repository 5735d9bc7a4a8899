package director

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/dataplane"
)

// Counters belong to the server at their address now: a real server, whether the
// dataplane has it or not, the fallback, or somebody that is nobody's concern.
func TestCountersByAddress(t *testing.T) {
	counted := func(addr string, n uint64) dataplane.ServerStatus {
		st := dataplane.ServerStatus{Counters: dataplane.Counters{Connections: n}}
		if addr != "" {
			st.Addr = netip.MustParseAddrPort(addr)
		}
		return st
	}
	for name, c := range map[string]struct {
		fallback      string
		servers, left []dataplane.ServerStatus
		first, second uint64
		backup        uint64
	}{
		"all there":         {"sorry", []dataplane.ServerStatus{counted(rs1, 3), counted(rs2, 4)}, nil, 3, 4, 0},
		"one has left":      {"sorry", []dataplane.ServerStatus{counted(rs2, 4)}, []dataplane.ServerStatus{counted(rs1, 3)}, 3, 4, 0},
		"sorry server":      {"sorry", []dataplane.ServerStatus{counted("", 9)}, []dataplane.ServerStatus{counted(rs1, 3)}, 3, 0, 9},
		"it has left":       {"sorry", []dataplane.ServerStatus{counted(rs1, 3)}, []dataplane.ServerStatus{counted("", 8), counted("", 1)}, 3, 0, 9},
		"fallback":          {"10.0.0.9:80", []dataplane.ServerStatus{counted("10.0.0.9:80", 5)}, nil, 0, 0, 5},
		"somebody else's":   {"10.0.0.9:80", []dataplane.ServerStatus{counted("10.0.0.8:80", 5)}, nil, 0, 0, 0},
		"one of years ago":  {"sorry", []dataplane.ServerStatus{counted(rs1, 3)}, []dataplane.ServerStatus{counted("10.0.0.8:80", 5)}, 3, 0, 0},
		"nothing can be it": {"sorry", nil, nil, 0, 0, 0},
	} {
		v := virtual(vip, rs1, rs2)
		v.Fallback = fallback(c.fallback)
		s := Status{Services: []ServiceStatus{newService(&v).status()}}
		s.count([]dataplane.ServiceStatus{{Service: dataplane.VirtualService{ID: v.ID}, Servers: c.servers, Left: c.left}})
		got := s.Services[0]
		if a, b, f := got.Servers[0].Counters.Connections, got.Servers[1].Counters.Connections, got.FallbackCounters.Connections; a != c.first || b != c.second || f != c.backup {
			t.Errorf("%s: %d and %d, fallback %d, want %d and %d, %d", name, a, b, f, c.first, c.second, c.backup)
		}
	}
}

// Status and mail have the same word for why a check failed, whatever the error's
// message holds.
func TestReasonOfFailure(t *testing.T) {
	v := virtual(vip, rs1)
	r := newReplay(t, conf(v))
	s := r.c.services[0].servers[0]
	for _, c := range []struct {
		err          error
		status, tell checks.Kind
	}{
		{nil, "", ""},
		{&checks.Error{Check: "http", Object: rs1, Kind: checks.Mismatch, Err: errors.New(`body does not match "timeout"`)}, checks.Mismatch, checks.Mismatch},
		{errors.New("connection refused"), checks.Other, checks.Other},
		{nil, "", ""},
	} {
		r.result(rs1, c.err)
		if got := s.status(1, true).Reason; got != c.status || s.reason() != c.tell {
			t.Errorf("%v: %q in the status, %q in mails, want %q, %q", c.err, got, s.reason(), c.status, c.tell)
		}
	}
}
