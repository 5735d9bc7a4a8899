package keepalived_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/config/keepalived"
)

var update = flag.Bool("update", false, "write the files of expected results anew")

// TestConvert compares what becomes of whole files with the file beside each.
func TestConvert(t *testing.T) {
	names, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(names) == 0 {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			r := keepalived.Convert(t.Context(), filepath.Base(name), string(text))
			var b strings.Builder
			b.Write(r.Text)
			fmt.Fprintf(&b, "---- %d services, %d real servers\n", r.Services, r.Reals)
			for _, l := range r.Losses {
				fmt.Fprintln(&b, l)
			}
			for _, n := range r.Notes {
				fmt.Fprintf(&b, "note %d: %s: %s\n", n.Line, n.What, n.Why)
			}
			want := strings.TrimSuffix(name, ".conf") + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			expect, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(expect), b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			holds(t, r)
		})
	}
}

// holds checks what Convert promises of every result.
func holds(t *testing.T, r keepalived.Result) {
	t.Helper()
	c, err := config.Parse(context.Background(), "result.cf", r.Text, config.Options{})
	if err != nil {
		t.Fatalf("the result is refused: %v\n%s", err, r.Text)
	}
	if len(c.Virtuals) != r.Services {
		t.Errorf("%d services, said to be %d\n%s", len(c.Virtuals), r.Services, r.Text)
	}
	comments := strings.Count(string(r.Text), "# LOST ")
	if comments < len(r.Losses) {
		t.Errorf("%d losses, %d comments that name one\n%s", len(r.Losses), comments, r.Text)
	}
}

// A large file takes seconds, also one that shunt refuses most of.
func TestConvertMany(t *testing.T) {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "virtual_server 10.0.%d.%d 80 {\n lvs_sched none%d\n real_server 10.1.0.1 80 {\n weight 70000\n }\n}\n", i/250, i%250, i)
	}
	began := time.Now()
	r := keepalived.Convert(t.Context(), "many.conf", b.String())
	holds(t, r)
	if r.Services != 2000 || r.Reals != 0 || len(r.Losses) != 4000 {
		t.Errorf("%d services, %d real servers, %d losses", r.Services, r.Reals, len(r.Losses))
	}
	t.Logf("%v", time.Since(began))
}

// FuzzConvert holds for any text: no panic, and what Convert promises.
func FuzzConvert(f *testing.F) {
	names, err := filepath.Glob("testdata/*.conf")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
		for part := range strings.SplitSeq(string(text), "\n\n") {
			f.Add(part)
		}
	}
	f.Add("virtual_server 1.2.3.4 80 { real_server 1.2.3.5 80 { HTTP_GET { url { path \"a\\\"b\" } } } }")
	f.Add("virtual_server group g { }\nvirtual_server_group g { 10.0.0.0/8 80\n fwmark 1\n ::1-f 80 }")
	f.Add("}}}{{{")
	f.Fuzz(func(t *testing.T, text string) {
		holds(t, keepalived.Convert(context.Background(), "fuzz.conf", text))
	})
}

// Each of these bodies of `virtual_server 10.0.0.1 80` becomes these lines, with these
// losses and no other. Lines that all results have are left out.
func TestConvertDetails(t *testing.T) {
	const real = "real_server 10.0.0.2 80 {\n"
	tests := []struct{ name, text, lines, losses string }{
		{"defaults", real + "TCP_CHECK {\n}\n}", "scheduler = wlc|initstate = up|checktype = connect|checkinterval = 60|checktimeout = 5|failurecount = 2|fastinterval = 1|real = 10.0.0.2:80 masq 1", ""},
		{"http", real + "SSL_GET {\nurl {\npath /a\n}\n}\n}", "checktype = negotiate|service = https|request = \"/a\"|failurecount = 2|fastinterval = 3", ""},
		{"script", "delay_loop 7\n" + real + "MISC_CHECK {\nmisc_path /bin/true\n}\n}", "checktype = external|checkcommand = \"/bin/true\"|checkinterval = 7|checktimeout = 7", ""},
		{"dns", real + "DNS_CHECK {\ntype A\nname a.example.\ndelay_loop 4\n}\n}", "service = dns|request = \"a.example\"|checkinterval = 4|failurecount = 4|fastinterval = 4", ""},
		{"no check", real + "}", "checktype = on|real = 10.0.0.2:80 masq 1", ""},
		{"lost check", real + "FILE_CHECK {\n}\n}", "checktype = ping", "3: FILE_CHECK|3: FILE_CHECK {...}"},
		{"inherited", "weight 5\nlvs_method DR\nretry 0\nconnect_timeout 2\n" + real + "TCP_CHECK {\nconnect_port 81\n}\n}", "checkport = 81|checktimeout = 2|real = 10.0.0.2:80 gate 5", ""},
		{"nearest wins", "weight 5\n" + real + "weight 6\nretry 3\nTCP_CHECK {\nretry 4\n}\n}", "failurecount = 5|real = 10.0.0.2:80 masq 6", ""},
		{"fallback before its method", "sorry_server 10.0.0.9 81\nlvs_method DR\n" + real + "}", "fallback = 10.0.0.9:81 gate", ""},
		{"other family", "sorry_server fd00::9 80\nsorry_server_lvs_method TUN\n" + real + "}", "fallback6 = [fd00::9]:80 ipip", ""},
		{"pages", real + "HTTP_GET {\nurl {\npath /a\nvirtualhost a.example\n}\nurl {\npath \"/b c\"\n}\n}\n}", "request = \"/a\"|virtualhost = \"a.example\"|check = http request=\"/b c\"", ""},
		{"one line", "real_server 10.0.0.2 80 { weight 3 } # and { what } follows", "real = 10.0.0.2:80 masq 3", ""},
		{"fraction", real + "TCP_CHECK {\ndelay_before_retry 0.25\nconnect_timeout 0.1\n}\n}", "checktimeout = 1|fastinterval = 250ms", "3: connect_timeout 0.1"},
		{"in quotes", "quorum_up \"/bin/x 'a b' \\\"c\\\" # d\"\n" + real + "}", "quorumup = \"/bin/x 'a b' \"c\" # d\"", ""},
		{"control", "quorum_up \"/bin/x \\n\"\n" + real + "}", "", "2: quorumup = \"/bin/x  \""},
		{"nonsense", "weight none\nlvs_method WARP\nfrob 1\n" + real + "}\nreal_server x 80 {\n}", "", "3: lvs_method WARP|4: frob 1|7: real_server x 80 {...}"},
		{"refused", "persistence_timeout 99999999\n" + real + "weight 70000\n}", "", "2: persistent = 99999999|3: real = 10.0.0.2:80 masq 70000"},
		{"parameter", real + "weight ${W}\n}\n$X", "real = 10.0.0.2:80 masq 1", "3: weight ${W}|5: $X"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := keepalived.Convert(t.Context(), "k.conf", "virtual_server 10.0.0.1 80 {\n"+tt.text+"\n}\n")
			holds(t, r)
			for _, line := range strings.FieldsFunc(tt.lines, func(r rune) bool { return r == '|' }) {
				if !strings.Contains(string(r.Text), "\n\t"+line+"\n") {
					t.Errorf("there is no line %s in\n%s", line, r.Text)
				}
			}
			var losses []string
			for _, l := range r.Losses {
				losses = append(losses, fmt.Sprintf("%d: %s", l.Line, l.What))
			}
			if got := strings.Join(losses, "|"); got != tt.losses {
				t.Errorf("losses %s, want %s\n%s", got, tt.losses, r.Text)
			}
		})
	}
}

// What stands around the virtual servers, and the services of groups.
func TestConvertOutside(t *testing.T) {
	const body = "{\nreal_server 10.0.0.2 80 {\n}\n}\n"
	for _, tt := range []struct{ name, text, services, losses string }{
		{"mark", "virtual_server fwmark 7 " + body, "virtual = 7", ""},
		{"IPv6 mark", "virtual_server fwmark 7 {\nip_family inet6\n}\n", "virtual6 = 7", ""},
		{"no mark", "virtual_server fwmark x " + body, "", "1: virtual_server fwmark x {...}"},
		{
			"group", "virtual_server group g " + body + "virtual_server_group g {\n10.0.0.8/31 80\n10.0.1.254-10.0.2.1 81\nfd00::8-9 82\nfwmark 3 inet6\n}\n",
			"virtual = 10.0.0.8:80|virtual = 10.0.0.9:80|virtual = 10.0.1.254:81|virtual = 10.0.1.255:81|virtual = 10.0.2.0:81|virtual = 10.0.2.1:81|virtual6 = [fd00::8]:82|virtual6 = [fd00::9]:82|virtual6 = 3",
			"2: real = 10.0.0.2:80 masq 1",
		},
		{"no group", "virtual_server group g " + body, "", "1: virtual_server group g {...}"},
		{"many", "virtual_server group g " + body + "virtual_server_group g {\n10.0.0.0/8 80\n10.0.0.1-10.9.0.1 80\n}\n", "", "6: 10.0.0.0/8 80|7: 10.0.0.1-10.9.0.1 80"},
		{"twice", "virtual_server 10.0.0.1 80 " + body + "virtual_server 10.0.0.1 80 {\n}\n", "virtual = 10.0.0.1:80", "5: virtual = 10.0.0.1:80"},
		{"not closed", "virtual_server 10.0.0.1 80 {\n", "virtual = 10.0.0.1:80", "1: {"},
		{"closed twice", "virtual_server 10.0.0.1 80 {\n}\n}\n", "virtual = 10.0.0.1:80", "3: }"},
		{"definition", "$VS= \\\nvirtual_server 10.0.0.9 80 { \\\n}\n\nvirtual_server 10.0.0.1 80 {\n}\n", "virtual = 10.0.0.1:80", "1: $VS= \\"},
		{"condition", "@main virtual_server 10.0.0.9 80 {\n}\n~SEQ(X, 1, 2) virtual_server 10.0.0.$X 80 {\n}\n", "", "1: @main virtual_server 10.0.0.9 80 {...}|3: ~SEQ(X, 1, 2) virtual_server 10.0.0.$X 80 {...}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := keepalived.Convert(t.Context(), "k.conf", tt.text)
			holds(t, r)
			var services, losses []string
			for line := range strings.Lines(string(r.Text)) {
				if strings.HasPrefix(line, "virtual") {
					services = append(services, strings.TrimSpace(line))
				}
			}
			for _, l := range r.Losses {
				losses = append(losses, fmt.Sprintf("%d: %s", l.Line, l.What))
			}
			if got := strings.Join(services, "|"); got != tt.services {
				t.Errorf("services %s, want %s\n%s", got, tt.services, r.Text)
			}
			if got := strings.Join(losses, "|"); got != tt.losses {
				t.Errorf("losses %s, want %s\n%s", got, tt.losses, r.Text)
			}
		})
	}
}
