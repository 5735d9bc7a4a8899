package admin_test

import (
	"testing"
	"time"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/director"
)

func TestReason(t *testing.T) {
	at := time.Unix(1, 0)
	for _, c := range []struct {
		r    director.ServerStatus
		want string
	}{
		{director.ServerStatus{}, "unchecked"},
		{director.ServerStatus{Checked: at}, "ok"},
		{director.ServerStatus{Checked: at, Result: `body does not match "timeout"`, Reason: checks.Mismatch}, "mismatch"},
	} {
		if got := admin.Reason(c.r); got != c.want {
			t.Errorf("%q: %s, want %s", c.r.Result, got, c.want)
		}
	}
}
