package admin_test

import (
	"testing"
	"time"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/director"
)

var reasonCases = []struct{ result, want string }{
	{"", "ok"},
	{"connect 192.0.2.1:80: connection refused", "refused"},
	{"connect [fd00::1]:80: timed out after 3s", "timeout"},
	{"http 192.0.2.1:80: timed out after 3s while connecting", "timeout"},
	{"https 192.0.2.1:443: timed out after 3s in the TLS handshake", "timeout"},
	{"ping 192.0.2.1: without an answer to 3 echo requests", "timeout"},
	{"connect [fd00::1]:80: no route to host", "unreachable"},
	{"ping fd00::1: network is unreachable", "unreachable"},
	{"ping 192.0.2.1: on the way for too many hops, says 192.0.2.254", "unreachable"},
	{"ftp 192.0.2.1:21: connection reset by peer", "closed"},
	{"https 192.0.2.1:443: connection closed in the TLS handshake", "closed"},
	{"http www.example.com:80: no such host", "dns"},
	{"https 192.0.2.1:443: tls: first record does not look like a TLS handshake", "tls"},
	{"http 192.0.2.1:80: status 503, want 2xx", "status"},
	{"http 192.0.2.1:80: redirected to \"ftp://www.example.com/\", which is not HTTP", "status"},
	{"pop 192.0.2.1:110: login refused: bad password", "auth"},
	{"http 192.0.2.1:80: body does not match \"Test Page\"", "mismatch"},
	{"smtp 192.0.2.1:25: answer \"554 go away\", want 220", "mismatch"},
	{"external /usr/bin/check: exit status 3", "command"},
	{"external /opt/connection refused/login: killed by signal: killed", "command"},
	{"external /usr/bin/check: exit status 1: wrote \"connection refused\"", "command"},
	{"external /usr/bin/check: timed out after 3s", "timeout"},
	{"external-perl /x.pl: perl is needed to run it: executable file not found in $PATH", "command"},
	{"ping 192.0.2.1: needs CAP_NET_RAW or a group within net.ipv4.ping_group_range: permission denied", "other"},
	{"connection refused", "refused"},
	{"the moon is in the wrong phase", "other"},
}

func TestReason(t *testing.T) {
	for _, c := range reasonCases {
		r := director.ServerStatus{Checked: time.Unix(1, 0), Result: c.result}
		if got := admin.Reason(r); got != c.want {
			t.Errorf("%q: %s, want %s", c.result, got, c.want)
		}
	}
	if got := admin.Reason(director.ServerStatus{}); got != "unchecked" {
		t.Errorf("before the first check: %s", got)
	}
}
