package daemon

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/ipvs"
)

// Screens have the reason of a choice in a clause, and the log has what would help.
func TestReasonInShort(t *testing.T) {
	k := kindNamed(onProxy)
	for _, tt := range []struct {
		flag    string
		lacking []error
		want    string
	}{
		{onProxy, nil, "asked for"},
		{"auto", nil, "auto: the kernel has the proxy"},
		{"auto", []error{ipvs.ErrNoIPVS}, "auto: this kernel has no IPVS"},
		{"auto", []error{fmt.Errorf("%w: operation not permitted", ipvs.ErrNoRights)}, "auto: this process may not program IPVS"},
		{"auto", []error{errors.New("a\nb"), ipvs.ErrNoIPVS}, "auto: a; b; this kernel has no IPVS"},
	} {
		if got := reason(k, tt.flag, tt.lacking, inShort); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if got := reason(k, "auto", []error{ipvs.ErrNoIPVS}, error.Error); !strings.Contains(got, "run modprobe ip_vs") {
		t.Errorf("the log has only %q", got)
	}
}
