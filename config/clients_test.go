package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// listFile writes a list of clients and returns its path.
func listFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clients.list")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClients(t *testing.T) {
	list := listFile(t, "\uFEFF# office\n\n192.0.2.0/24   # first floor\r\n\t2001:db8::1\n::ffff:198.51.100.1")
	const office = "[192.0.2.0/24 2001:db8::1/128 198.51.100.1/32]"
	tests := []struct{ global, section, want string }{
		{"", "", "[]"},
		{"deny=10.0.0.1", "", "[10.0.0.1/32]"},
		{"deny=10.0.0.1\ndeny = 10.1.0.0/16 , 10.2.0.0/16 # and more", "", "[10.0.0.1/32 10.1.0.0/16 10.2.0.0/16]"},
		{"deny=10.0.0.1", "deny=10.9.0.0/16\n    deny=fd00::/8", "[10.9.0.0/16 fd00::/8]"},
		{"deny=10.0.0.1", "deny=none", "[]"},
		{"deny=10.0.0.1\ndeny=none\ndeny=10.0.0.2", "", "[10.0.0.2/32]"},
		{"deny=10.0.0.77/24", "", "[10.0.0.0/24]"},
		{"deny=@" + list, "", office},
		{"deny=10.0.0.1", "deny=@" + list, office},
		{"deny=@" + list, "deny=10.0.0.1,@" + list, "[10.0.0.1/32 " + office[1:]},
		{"deny=@" + list + "\ndeny=10.0.0.1", "", office[:len(office)-1] + " 10.0.0.1/32]"},
	}
	for _, tt := range tests {
		t.Run(tt.global+" "+tt.section, func(t *testing.T) {
			text := tt.global + "\nvirtual=192.0.2.80:80\n    scheduler=rr\n    " + tt.section + "\nvirtual=192.0.2.80:81\n    deny=none\n"
			for _, text := range []string{text, strings.ReplaceAll(strings.ReplaceAll(text, "deny=none", "deny=all"), "deny", "allow")} {
				text = strings.ReplaceAll(text, "allow=none", "allow=all")
				c := mustParse(t, text)
				v := c.Virtuals[0]
				got, other := v.Deny, c.Virtuals[1].Deny
				if strings.Contains(text, "allow") {
					got, other = v.Allow, c.Virtuals[1].Allow
				}
				if fmt.Sprint(got.Prefixes) != tt.want {
					t.Errorf("%q has the clients %v, want %s", text, got.Prefixes, tt.want)
				}
				if len(other.Prefixes) != 0 {
					t.Errorf("another section has the clients %v, want none", other.Prefixes)
				}
				roundTrip(t, c)
			}
		})
	}
}

// A section that adds to its list leaves that of another alone, and a long one
// is there once.
func TestClientsAreShared(t *testing.T) {
	list := listFile(t, "10.0.0.0/8\n172.16.0.0/12\n")
	c := mustParse(t, "deny=@"+list+"\nvirtual=1\nvirtual=2\n    deny=@"+list+"\n    deny=192.0.2.1\nvirtual=3\n    deny=@"+list+"\n    deny=192.0.2.2\nvirtual=4\n    deny=@"+list+"\n")
	for i, want := range []string{"", " 192.0.2.1/32", " 192.0.2.2/32", ""} {
		if got := fmt.Sprint(c.Virtuals[i].Deny.Prefixes); got != "[10.0.0.0/8 172.16.0.0/12"+want+"]" {
			t.Errorf("section %d has the clients %s", i, got)
		}
	}
	if &c.Virtuals[0].Deny.Prefixes[0] != &c.Virtuals[3].Deny.Prefixes[0] {
		t.Error("a file named twice is there twice")
	}
}

// Problems of a list name its own file and line, behind the problems of the
// configuration.
func TestClientsProblems(t *testing.T) {
	tests := []struct{ name, list, want string }{
		{"name", "10.0.0.0/8\n  www.example.test # ours\n", "LIST:2:3: error: `www.example.test` is no network and no address (one network or address a line, comments behind a #)"},
		{"two on a line", "10.0.0.1, 10.0.0.2\n", "LIST:1:1: error: `10.0.0.1, 10.0.0.2` is no network and no address (one network or address a line, comments behind a #)"},
		{"bits", "\n10.0.0.0/64\n", "LIST:2:1: error: `10.0.0.0/64` is no network (one network or address a line, comments behind a #)"},
		{"escape", "\x1b[31mx\n", "LIST:1:1: error: `\uFFFD[31mx` is no network and no address"},
		{"no client", "# nobody\n\n", "FILE:1:7: error: LIST has no client: nobody would be served, or everybody; also on line 4 (put one into it, or write allow=all)"},
		{"many", strings.Repeat("x\n", 9) + strings.Repeat("y\n", 1000), "LIST:10:1: error: `y` is no network and no address; what follows in this file is not reported (one network or address a line, comments behind a #)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := listFile(t, tt.list)
			problems := wrong(t, "allow=@"+path+"\nvirtual=192.0.2.80:80\n    scheduler=rr\n    allow=@"+path+"\n", config.Options{})
			if len(problems) > 10 {
				t.Errorf("%d problems, want ten at most", len(problems))
			}
			got := strings.ReplaceAll(problems.Error(), path, "LIST")
			if want := strings.ReplaceAll(tt.want, "FILE", problems[0].Pos.File); !strings.Contains(got, want) {
				t.Errorf("problems are\n%s\nwant\n%s", got, want)
			}
		})
	}
	t.Run("order", func(t *testing.T) {
		path := listFile(t, "x\n")
		got := wrong(t, "deny=@"+path+"\n\n\nautoreload=perhaps\n", config.Options{})
		if len(got) != 2 || got[0].Pos.Line != 4 || got[1].Pos.File != path {
			t.Errorf("problems are\n%v\nwant the configuration's first", got)
		}
	})
	t.Run("remark", func(t *testing.T) {
		path := listFile(t, strings.Repeat("10.0.0.1/8\n", 1000))
		c := mustParse(t, "deny=@"+path+"\n")
		if len(c.Warnings) != 1 || c.Warnings[0].Pos != (config.Pos{File: path, Line: 1, Col: 1}) {
			t.Errorf("warnings are\n%v\nwant one for the file", c.Warnings)
		}
	})
}

func TestSourceLimits(t *testing.T) {
	tests := []struct {
		global, section string
		conns           int
		rate            string // in the words of Print
		remarks         int
	}{
		{"", "", 0, "", 0},
		{"sourceconnections=5\nsourcerate=100", "", 5, "100/1s", 0},
		{"sourceconnections=5\nsourcerate=100/s", "sourceconnections=0\n    sourcerate=0", 0, "", 0},
		{"sourcerate=100/500ms", "sourcerate=3/m", 0, "3/60s", 0},
		{"", "sourcerate=3/2h # slowly", 0, "3/7200s", 0},
		{"", "sourceprefix=24\n    sourceprefix6=48", 0, "", 2},
		{"sourceprefix=24", "", 0, "", 0},
		{"", "sourceprefix=24\n    sourceconnections=1", 1, "", 0},
		{"", "protocol=udp\n    ops=yes\n    sourceconnections=1", 0, "", 1},
		{"sourceconnections=1", "protocol=udp\n    ops=yes", 0, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.global+" "+tt.section, func(t *testing.T) {
			c := mustParse(t, tt.global+"\nvirtual=192.0.2.80:8080\n    scheduler=rr\n    service=none\n    "+tt.section+"\n")
			v := c.Virtuals[0]
			if v.SourceConns != tt.conns {
				t.Errorf("sourceconnections is %d, want %d", v.SourceConns, tt.conns)
			}
			rate := ""
			for _, e := range config.Explain(c)[1].Settings {
				if e.Directive == "sourcerate" && e.Value != "0" {
					rate = e.Value
				}
			}
			if rate != tt.rate {
				t.Errorf("sourcerate is %q, want %q", rate, tt.rate)
			}
			if len(c.Warnings) != tt.remarks {
				t.Errorf("warnings are\n%v\nwant %d", c.Warnings, tt.remarks)
			}
			roundTrip(t, c)
		})
	}
}

func TestBounds(t *testing.T) {
	for text, want := range map[string]int64{"1048576": 1 << 20, "2048K": 2 << 20, "64m": 64 << 20, "3 G": 3 << 30} {
		c := mustParse(t, "maxconnections=5\nmaxflows=6\nmaxbuffers="+text+"\n")
		if g := c.Global; g.MaxConnections != 5 || g.MaxFlows != 6 || g.MaxBuffers != want {
			t.Errorf("%d connections, %d flows, %d bytes: want 5, 6 and %d", g.MaxConnections, g.MaxFlows, g.MaxBuffers, want)
		}
		roundTrip(t, c)
	}
}

func BenchmarkClientFile(b *testing.B) {
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&text, "10.%d.%d.0/%d\n", i>>8&255, i&255, 24)
	}
	path := listFile(b, text.String())
	for b.Loop() {
		if _, err := config.Parse(b.Context(), "bench.cf", []byte("deny=@"+path+"\n"), config.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
