package wire_test

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/wire"
	"github.com/shunt-lb/shunt/internal/test/need"
)

// runTshark returns the fields of the packets that pass a filter, a line each, by
// tshark.
func runTshark(t *testing.T, file, filter string, fields ...string) [][]string {
	t.Helper()
	program := need.Program(t, "tshark")
	args := []string{"-r", file, "-Y", filter, "-n", "-T", "fields", "-E", "separator=;", "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, &complaints)
	}
	var lines [][]string
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.Split(strings.TrimSuffix(line, "\n"), ";"))
	}
	return lines
}

// TestFileInTshark reads the capture with tshark, and compares the packets before
// and after the director with the report.
func TestFileInTshark(t *testing.T) {
	onHost(t)
	s := newFixture(t)
	for _, method := range []string{wire.Masq, wire.Gate, wire.IPIP} {
		t.Run(method, func(t *testing.T) {
			v := s.service(t, method, "tcp", false, 1, 1, 1)
			s.forward(t, &forwarder{service: v, choose: inTurn(0, 1, 2)})
			o := s.watch(t, v, func() { s.flood(t, v, 30) })
			good(t, o, "rr", []uint64{10, 10, 10})
			file := filepath.Join(t.TempDir(), method+".pcapng")
			must(t, o.Save(file))

			lines := map[string][][]string{}
			for _, line := range runTshark(t, file, "tcp.flags == 0x002", append(seen, "frame.interface_name")...) {
				link := line[len(seen)]
				lines[link] = append(lines[link], line)
			}
			before, after := lines["director:eth0 in"], lines["director:eth1 out"]
			if len(before) != 30 || len(after) != 30 {
				t.Fatalf("tshark sees %d SYNs before the director and %d after it, want 30 and 30", len(before), len(after))
			}
			t.Logf("before %v", before[0])
			t.Logf("after  %v", after[0])
			for _, f := range o.Rewrite("test").Fields {
				compare(t, f, before[0], after[0])
			}
			for i, real := range o.Sequence() {
				if got := whom(method, v, after[i]); got != real {
					t.Errorf("SYN %d went to real server %d in tshark, to %d in the report", i, got, real)
				}
			}
		})
	}
}

// seen are the fields that tshark prints.
var seen = []string{
	"eth.src", "eth.dst", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "ip.ttl", "ip.id", "ip.checksum.status", "tcp.checksum.status",
}

// compare holds a field of the report to tshark's.
func compare(t *testing.T, f result.Field, before, after []string) {
	t.Helper()
	inner := func(line []string, field string) string {
		all := strings.Split(line[slices.Index(seen, field)], ",")
		return all[len(all)-1]
	}
	for name, field := range map[string]string{
		"source MAC": "eth.src", "destination MAC": "eth.dst", "source address": "ip.src", "destination address": "ip.dst",
		"source port": "tcp.srcport", "destination port": "tcp.dstport", "TTL": "ip.ttl", "identification": "ip.id",
	} {
		if f.Name == name && (inner(before, field) != f.Before || inner(after, field) != f.After) {
			t.Errorf("%s: tshark sees %s become %s, the report says %s and %s", name, inner(before, field), inner(after, field), f.Before, f.After)
		}
	}
	switch addrs := strings.Split(after[2], ","); f.Name {
	case "encapsulation":
		to := strings.Split(after[3], ",")
		if got := addrs[0] + " to " + to[0]; f.After != "none" && got != f.After || (f.After == "none") != (len(addrs) == 1) {
			t.Errorf("encapsulation: tshark sees %v to %v, the report says %s", addrs, to, f.After)
		}
	case "checksums":
		if f.After != "right" || strings.Contains(after[8]+after[9], "0") {
			t.Errorf("checksums: tshark says %s and %s (1 is good), the report %s", after[8], after[9], f.After)
		}
	}
}

// whom tells the real server by what tshark sees.
func whom(method string, v wire.Service, line []string) int {
	return slices.IndexFunc(v.Reals, func(r wire.Real) bool {
		if method == wire.Gate {
			return line[1] == r.MAC.String()
		}
		to, _, _ := strings.Cut(line[3], ",")
		return netip.MustParseAddr(to) == r.Addr.Addr()
	})
}
