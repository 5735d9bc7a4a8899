package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/config"
)

const originsFile = `checktimeout=3
quiescent=yes
fallback=127.0.0.1
virtual=192.0.2.80:80
    real=192.0.2.1:80 gate
    scheduler=wlc
virtual=192.0.2.80:53
    checkinterval=2
    negotiatetimeout=9
    fallback=sorry
virtual=192.0.2.80:21
    checktimeout=4
    protocol=tcp
emailalertfreq=60
`

func TestOrigins(t *testing.T) {
	c := mustParse(t, originsFile)
	tests := []struct {
		section   int // -1: global
		directive string
		want      string
	}{
		{-1, "checktimeout", "line 1"},
		{-1, "negotiatetimeout", "from checktimeout (line 1)"},
		{-1, "checkinterval", "default"},
		{-1, "fallback", "line 3"},
		{0, "checktimeout", "global line 1"},
		{0, "negotiatetimeout", "global, from checktimeout (line 1)"},
		{0, "quiescent", "global line 2"},
		{0, "emailalertfreq", "global line 14"},
		{0, "fallback", "global line 3"},
		{0, "service", "from port 80"},
		{0, "protocol", "default"},
		{0, "scheduler", "line 6"},
		{0, "receive", "default"},
		{1, "protocol", "from port 53"},
		{1, "service", "from port 53"},
		{1, "fastinterval", "from checkinterval (line 8)"},
		{1, "downinterval", "from checkinterval (line 8)"},
		{1, "checktimeout", "from negotiatetimeout (line 9)"},
		{1, "fallback", "line 10"},
		{2, "negotiatetimeout", "from checktimeout (line 12)"},
		{2, "login", "from service ftp"},
		{2, "passwd", "from service ftp"},
		{2, "protocol", "line 13"},
	}
	for _, tt := range tests {
		origins := c.Global.Origins
		if tt.section >= 0 {
			origins = c.Virtuals[tt.section].Origins
		}
		if got := origins[tt.directive].String(); got != tt.want {
			t.Errorf("section %d: %s comes from %q, want %q", tt.section, tt.directive, got, tt.want)
		}
	}
}

// TestTimeouts goes through the ways in which the two timeouts stand in for
// each other, in a section and in the globals.
func TestTimeouts(t *testing.T) {
	tests := []struct {
		global, section  string
		check, negotiate time.Duration
	}{
		{"", "", 5, 30},
		{"checktimeout=4", "", 4, 4},
		{"negotiatetimeout=8", "", 8, 8},
		{"checktimeout=4,negotiatetimeout=8", "", 4, 8},
		{"checktimeout=4,negotiatetimeout=8", "checktimeout=2", 2, 2},
		{"checktimeout=4,negotiatetimeout=8", "negotiatetimeout=3", 3, 3},
		{"checktimeout=4", "checktimeout=2,negotiatetimeout=3", 2, 3},
		{"negotiatetimeout=8", "checktimeout=2", 2, 2},
	}
	for _, tt := range tests {
		t.Run(tt.global+" "+tt.section, func(t *testing.T) {
			global := strings.ReplaceAll(tt.global, ",", "\n") + "\n"
			section := "virtual=192.0.2.80:80\n    scheduler=rr\n    " + strings.ReplaceAll(tt.section, ",", "\n    ") + "\n"
			v := mustParse(t, section+global).Virtuals[0]
			if v.CheckTimeout != tt.check*time.Second || v.NegotiateTimeout != tt.negotiate*time.Second {
				t.Errorf("checktimeout %v negotiatetimeout %v, want %ds %ds", v.CheckTimeout, v.NegotiateTimeout, tt.check, tt.negotiate)
			}
		})
	}
}

func TestIntervals(t *testing.T) {
	c := mustParse(t, `checkinterval=4
downinterval=20
virtual=192.0.2.80:80
    checkinterval=2
virtual=192.0.2.80:81
    fastinterval=250ms
    downinterval=3
`)
	got := [][3]time.Duration{}
	for _, s := range []config.Settings{c.Global.Settings, c.Virtuals[0].Settings, c.Virtuals[1].Settings} {
		got = append(got, [3]time.Duration{s.CheckInterval, s.FastInterval, s.DownInterval})
	}
	want := [][3]time.Duration{
		{4 * time.Second, 4 * time.Second, 20 * time.Second},
		{2 * time.Second, 2 * time.Second, 20 * time.Second},
		{4 * time.Second, 250 * time.Millisecond, 3 * time.Second},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("check, fast and down intervals (-want +got):\n%s", diff)
	}
}

// TestSectionsShareNothing: a section that changes a list it inherited must
// not change that of another.
func TestSectionsShareNothing(t *testing.T) {
	c := mustParse(t, "emailalert=a@example.test, b@example.test\nvirtual=1\nvirtual=2\n")
	c.Virtuals[0].EmailAlert[0] = "changed"
	if c.Virtuals[1].EmailAlert[0] != "a@example.test" || c.Global.EmailAlert[0] != "a@example.test" {
		t.Error("sections share their mail addresses")
	}
}
