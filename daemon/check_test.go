package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// TestRefusalsOfIPVS: whatever IPVS cannot do and a file can ask for is told
// with the directive's own line and column, and the line itself.
func TestRefusalsOfIPVS(t *testing.T) {
	for _, tt := range []struct{ name, text, at, want string }{
		{"all addresses", "virtual=0.0.0.0:80\n", "1:1", "0.0.0.0 is none"},
		{"multicast", "virtual=224.0.0.1:80\n", "1:1", "224.0.0.1 is none"},
		{"all ports", "virtual=192.0.2.80:0\n    checktype=on\n", "1:1", "add persistent = SECONDS"},
		{"flag of another scheduler", "virtual=192.0.2.80:80\n    scheduler=sh\n    schedflags=mh-port\n", "3:5", "scheduler sh of IPVS has no flag \"mh-port\": leave it out"},
		{"ops with sorry", "virtual=192.0.2.80:53\n    ops=yes\n    service=none\n    fallback=sorry\n", "4:5", "would not translate the answers of the sorry server back"},
		{"all ports with sorry", "virtual=192.0.2.80:0\n    persistent=9\n    checktype=on\n    fallback=sorry\n", "4:5", "the sorry server has one port"},
		{"no address", "virtual=192.0.2.80:80\n    real=0.0.0.0:80 gate\n", "2:5", "0.0.0.0 is none"},
		{"a multicast address", "virtual=192.0.2.80:80\n    real=192.0.2.1:80 gate\n    real=224.0.0.1:80 gate\n", "3:5", "224.0.0.1 is none"},
		{"a fallback", "virtual=192.0.2.80:80\n    fallback=0.0.0.0:80 masq\n", "2:5", "0.0.0.0 is none"},
		{"a global fallback", "fallback=224.0.0.1:80 masq\nvirtual=192.0.2.80:80\n", "1:1", "224.0.0.1 is none"},
		{"a fallback of the other family", "virtual=192.0.2.80:80\n    fallback6=[2001:db8::1]:80 gate\n", "2:5", "by tunnel only: use ipip"},
		{"a fallback of the other family, IPv6", "virtual6=[2001:db8::80]:80\n    fallback=192.0.2.1 masq\n", "2:5", "by tunnel only: use ipip"},
		{"tunnel without its port", "tunneltype=gue\nvirtual=192.0.2.80:80\n    real=192.0.2.1:80 ipip\n", "1:1", "needs a port"},
		{"port without its tunnel", "virtual=192.0.2.80:80\n    real=192.0.2.1:80 ipip\n    tunnelport=80\n", "3:5", "has no port"},
		{"checksum without its tunnel", "virtual=192.0.2.80:80\n    real=192.0.2.1:80 ipip\n    tunnelchecksum=yes\n", "3:5", "has no checksum"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Check(t.Context(), config.NewSource("test.cf", []byte(tt.text)), config.Options{}, onIPVS)
			var ps config.Problems
			if !errors.As(err, &ps) {
				t.Fatalf("error is %v, want problems", err)
			}
			var told bytes.Buffer
			if err := config.Report(&told, ps); err != nil {
				t.Fatal(err)
			}
			prefix := fmt.Sprintf("test.cf:%s: error: ", tt.at)
			if strings.Count(told.String(), " error: ") != 1 || !strings.Contains(told.String(), prefix) || !strings.Contains(told.String(), tt.want) {
				t.Errorf("told:\n%swant one error, %s... %s", told.String(), prefix, tt.want)
			}
			line := strings.Split(tt.text, "\n")[tt.at[0]-'1']
			if !strings.Contains(told.String(), "\n    "+line+"\n") {
				t.Errorf("the line is not shown:\n%s", told.String())
			}
			if !strings.Contains(err.Error(), prefix) { // as the log has it
				t.Errorf("the error does not say where: %v", err)
			}
		})
	}
}

// TestMarksWithPorts: a port behind a firewall mark means nothing to gate, and
// is what people write.
func TestMarksWithPorts(t *testing.T) {
	const text = "virtual=5\n    real=192.0.2.1:80 gate\n    fallback=127.0.0.1:80 gate\n    checktype=connect\n"
	if _, err := Check(t.Context(), config.NewSource("test.cf", []byte(text)), config.Options{}, onIPVS); err != nil {
		t.Error(err)
	}
}

// TestTimeoutsNeedIPVS names each timeout that nothing heeds.
func TestTimeoutsNeedIPVS(t *testing.T) {
	const file = "tcptimeout=15m\nvirtual=192.0.2.80:80\n    dataplane=%s\nudptimeout=5m\n"
	for _, tt := range []struct{ service, flag, want string }{
		{onIPVS, onIPVS, ""},
		{onProxy, onIPVS, "1:1 4:1"},
		{onProxy, onProxy, "1:1 4:1"},
	} {
		conf, err := Check(t.Context(), config.NewSource("test.cf", fmt.Appendf(nil, file, tt.service)), config.Options{}, tt.flag)
		if err != nil {
			t.Fatal(err)
		}
		var at []string
		for _, p := range conf.Warnings {
			if strings.Contains(p.Text, "timeout` has no effect") {
				at = append(at, fmt.Sprintf("%d:%d", p.Pos.Line, p.Pos.Col))
			}
		}
		if got := strings.Join(at, " "); got != tt.want {
			t.Errorf("service on %s: warnings at %q, want %q: %v", tt.service, got, tt.want, conf.Warnings)
		}
	}
}
