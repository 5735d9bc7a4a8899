package cycles

import (
	"strconv"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

func nobodyConnects(*config.Virtual) bool { return false }

// TestCycles: connections that would come back are found over any number of
// steps, by whatever leads there, and nothing else is.
func TestCycles(t *testing.T) {
	chain := func(n int, closed bool) string {
		var b strings.Builder
		for i := range n {
			next := i + 1
			if closed && next == n {
				next = 0
			}
			b.WriteString("virtual=127.0.0.1:" + port(i) + "\n\treal=127.0.0.1:" + port(next) + " masq\n")
		}
		return b.String()
	}
	pair := func(a, b, more string) string {
		return "virtual=" + a + "\n" + more + "\treal=192.0.2.9:7 masq\n\treal=" + b + " masq\nvirtual=" + b + "\n" + more + "\treal=" + a + " masq\n"
	}
	const udp = "\tprotocol=udp\n"
	for _, tt := range []struct {
		name, text string
		cycles     int
	}{
		{"two", pair("127.0.0.1:70", "127.0.0.1:71", ""), 1},
		{"two, udp", pair("127.0.0.1:70", "127.0.0.1:71", udp), 1},
		{"two, IPv6", strings.NewReplacer("virtual=", "virtual6=", "real=192.0.2.9", "real6=[2001:db8::9]", "real=", "real6=").Replace(pair("[::1]:70", "[::1]:71", "")), 1},
		{"two hosts", pair("192.0.2.80:80", "192.0.2.81:80", ""), 1},
		{"three", chain(3, true), 1},
		{"a hundred", chain(100, true), 1},
		{"a chain", chain(100, false), 0},
		{"tcp and udp", "virtual=127.0.0.1:70\n\treal=127.0.0.1:71 masq\nvirtual=127.0.0.1:71\n" + udp + "\treal=127.0.0.1:70 masq\n", 0},
		{"all addresses", "virtual=0.0.0.0:70\n\treal=127.0.0.1:71 masq\nvirtual=127.0.0.1:71\n\treal=127.0.0.5:70 masq\n", 1},
		{"all addresses, twice", pair("0.0.0.0:70", "0.0.0.0:71", ""), 1},
		{"all addresses of IPv6", "virtual6=[::]:70\n\treal6=[::1]:71 masq\nvirtual6=[::]:71\n\treal6=[::1]:70 masq\n", 1},
		{"another VIP of this host", "virtual=0.0.0.0:70\n\treal=192.0.2.80:70 masq\nvirtual=192.0.2.80:71\n\treal=192.0.2.9:7 masq\n", 1},
		{"another host", "virtual=0.0.0.0:70\n\treal=192.0.2.9:70 masq\nvirtual=192.0.2.80:71\n\treal=192.0.2.9:71 masq\n", 0},
		{"fallbacks", "virtual=127.0.0.1:70\n\tfallback=127.0.0.1:71 masq\nvirtual=127.0.0.1:71\n\tfallback=127.0.0.1:70 masq\n", 1},
		{"a fallback", "virtual=127.0.0.1:70\n\treal=127.0.0.1:71 masq\nvirtual=127.0.0.1:71\n\treal=192.0.2.9:7 masq\n\tfallback=127.0.0.1:70 masq\n", 1},
		{"a global fallback", "fallback=127.0.0.1:71 masq\nvirtual=127.0.0.1:70\n\treal=192.0.2.9:7 masq\nvirtual=127.0.0.1:71\n\tfallback=127.0.0.1:70 masq\n", 1},
		{"ports by gate", "virtual=192.0.2.80:80\n\treal=192.0.2.81:7 gate\nvirtual=192.0.2.81:80\n\treal=192.0.2.80:7 gate\n", 1},
		{"a range", "virtual=127.0.0.1:70\n\treal=127.0.0.2->127.0.0.9:71 masq\nvirtual=127.0.0.7:71\n\treal=127.0.0.1:70 masq\n", 1},
		{"quiescent", "virtual=127.0.0.1:70\n\treal=127.0.0.1:71 masq 0\nvirtual=127.0.0.1:71\n\treal=127.0.0.1:70 masq 0\n", 1},
		{"two cycles", pair("127.0.0.1:70", "127.0.0.1:71", "") + pair("127.0.0.1:72", "127.0.0.1:73", ""), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Parse(t.Context(), "test.cf", []byte(tt.text), config.Options{})
			if err != nil {
				t.Fatal(err)
			}
			found := Find(c, func(*config.Virtual) bool { return true })
			if len(found) != tt.cycles {
				t.Errorf("%d cycles are found, want %d: %v", len(found), tt.cycles, found)
			}
			for _, p := range found {
				if p.Severity != config.Error || p.Pos.Line == 0 || !strings.Contains(p.Text, "would run in a circle: ") {
					t.Errorf("told: %v", p)
				}
			}
			if found := Find(c, nobodyConnects); len(found) > 0 {
				t.Errorf("where nobody connects: %v", found)
			}
		})
	}
}

func port(i int) string { return strconv.Itoa(1000 + i) }
