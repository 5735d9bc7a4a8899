package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocumentExamples: what CONFIGURATION.md shows can be copied, and says
// nothing that has to be warned of.
func TestDocumentExamples(t *testing.T) {
	text, err := os.ReadFile("../CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?ms)^```\n(.*?)^```$").FindAllSubmatch(text, -1)
	read := 0
	for _, m := range examples {
		if !strings.Contains(string(m[1]), "=") {
			continue // commands
		}
		read++
		if c := mustParse(t, string(m[1])); len(c.Warnings) > 0 {
			t.Errorf("%v\nin:\n%s", texts(c.Warnings), m[1])
		}
	}
	if read < 5 {
		t.Errorf("%d examples were found", read)
	}
}

// TestWithoutEffect: lines that do nothing, and lists that leave nobody,
// are said before anybody relies on them.
func TestWithoutEffect(t *testing.T) {
	const (
		alone  = " has no effect without `maxconn`: nobody waits"
		udp    = " has no effect on a udp service"
		nobody = "no client is served: "
	)
	for _, tt := range []struct{ name, global, virtual, body, want string }{
		{"queue", "", "virtual=192.0.2.80:80", "maxqueue=5", "3: `maxqueue`" + alone},
		{"time", "", "virtual=192.0.2.80:80", "queuetimeout=5", "3: `queuetimeout`" + alone},
		{"queue of a section", "", "virtual=192.0.2.80:80", "maxqueue=5\n    maxconn=2", ""},
		{"queue of a server", "", "virtual=192.0.2.80:80", "maxqueue=5\n    real=192.0.2.2:80 masq m:3", ""},
		{"no queue", "maxqueue=9", "virtual=192.0.2.80:80", "maxqueue=0", ""},
		{"queues in general", "maxqueue=9", "virtual=192.0.2.80:80", "scheduler=rr", ""},
		{"datagrams in a queue", "maxconn=5", "virtual=192.0.2.80:53", "queuetimeout=5", "3: `queuetimeout`" + udp + ": datagrams do not wait"},
		{"keepalive", "", "virtual=192.0.2.80:53", "keepalive=20", "3: `keepalive`" + udp},
		{"tcpusertimeout", "", "virtual=192.0.2.80:53", "tcpusertimeout=20", "3: `tcpusertimeout`" + udp},
		{"keepalive in general", "keepalive=20", "virtual=192.0.2.80:53", "scheduler=rr", ""},
		{"checkpath and masq", "", "virtual=192.0.2.80:80", "checkpath=vip\n    real=192.0.2.1:80 masq", "3: `checkpath` has no effect: no server is reached by gate or ipip"},
		{"checkpath and gate", "", "virtual=192.0.2.80:80", "checkpath=vip\n    real=192.0.2.1:80 gate", ""},
		{"checkpath and datagrams", "", "virtual=192.0.2.80:53", "checkpath=vip\n    real=192.0.2.1:53 gate", "3: `checkpath` has no effect on a udp service: the VIP is checked by a tcp connection"},
		{"errorlimit alone", "", "virtual=192.0.2.80:80", "errorlimit=5", "3: `errorlimit` has no effect without `observe`"},
		{"errorlimit in general", "errorlimit=5", "virtual=192.0.2.80:80", "scheduler=rr", ""},
		{"observe datagrams", "", "virtual=192.0.2.80:53", "observe=connect", "3: `observe` has no effect on a udp service: it has no connections"},
		{"observe in general", "observe=connect", "virtual=192.0.2.80:53", "scheduler=rr", ""},
		{"quorum", "", "virtual=192.0.2.80:80", "quorum=2\n    hysteresis=1\n    real=192.0.2.1:80 masq 2", "3: the real servers weigh 2 together, the quorum is reached at 3"},
		{"quorum in reach", "", "virtual=192.0.2.80:80", "quorum=2\n    hysteresis=2\n    real=192.0.2.1:80 masq 4", ""},
		{"quorum in general", "quorum=3", "virtual=192.0.2.80:80", "real=192.0.2.1:80 masq 2", "2: the real servers weigh 2 together, the quorum is reached at 3"},
		{"no weight", "", "virtual=192.0.2.80:80", "real=192.0.2.1:80 masq 0", ""},
		{"maxdown of few", "", "virtual=192.0.2.80:80", "maxdown=50%\n    real=192.0.2.1:80 masq\n    real=192.0.2.2:80 masq 0", "3: 50% of 1 real server is less than one: no check takes a server out"},
		{"maxdown of enough", "", "virtual=192.0.2.80:80", "maxdown=50%\n    real=192.0.2.1:80 masq\n    real=192.0.2.2:80 masq", ""},
		{"maxdown of none", "", "virtual=192.0.2.80:80", "maxdown=0%\n    real=192.0.2.1:80 masq", ""},
		{"deny all", "", "virtual=192.0.2.80:80", "deny=::/0, 0.0.0.0/0", "3: " + nobody + "`deny` has all of IPv4"},
		{"deny all of the others", "", "virtual=192.0.2.80:80", "deny=::/0", ""},
		{"deny all but some", "deny=0.0.0.0/0", "virtual=192.0.2.80:80", "allow=192.0.2.0/24", ""},
		{"deny and allow all", "", "virtual6=[2001:db8::1]:80", "allow=::/0\n    deny=::/0", "4: " + nobody + "`deny` has all of IPv6"},
		{"allow others", "", "virtual=192.0.2.80:80", "allow=2001:db8::/32", "3: " + nobody + "`allow` has no IPv4 network"},
		{"allow others in general", "allow=192.0.2.0/24", "virtual6=[2001:db8::1]:80", "scheduler=rr", "2: " + nobody + "`allow` has no IPv6 network"},
		{"allow all", "", "virtual=192.0.2.80:80", "allow=0.0.0.0/0", ""},
		{"allow others behind a proxy", "", "virtual=192.0.2.80:80", "allow=2001:db8::/32\n    trustedproxies=192.0.2.7", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mustParse(t, tt.global+"\n"+tt.virtual+"\n    "+tt.body+"\n    checktype=connect\n")
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			if diff := cmp.Diff(want, texts(c.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}
