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
	{"dial tcp 192.0.2.1:80: i/o timeout", "timeout"},
	{"http 192.0.2.1:80: context deadline exceeded", "timeout"},
	{"ping 192.0.2.1: no answer within 3s", "timeout"},
	{"connect [fd00::1]:80: no route to host", "unreachable"},
	{"connect 192.0.2.1:80: network is unreachable", "unreachable"},
	{"ftp 192.0.2.1:21: read: connection reset by peer", "closed"},
	{"http 192.0.2.1:80: read the answer: EOF", "closed"},
	{"lookup www.example.com: no such host", "dns"},
	{"https 192.0.2.1:443: tls: failed to verify certificate", "tls"},
	{"http 192.0.2.1:80: status 503, want 2xx", "status"},
	{"pop 192.0.2.1:110: login refused: bad password", "auth"},
	{"http 192.0.2.1:80: answer does not match \"Test Page\"", "mismatch"},
	{"smtp 192.0.2.1:25: answer \"554 go away\", want 220", "mismatch"},
	{"external /usr/bin/check: exit status 3", "command"},
	{"external /usr/bin/check: signal: killed", "command"},
	{"external: fork/exec /usr/bin/check: permission denied", "command"},
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
