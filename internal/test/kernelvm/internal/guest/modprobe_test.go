package guest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSeparate(t *testing.T) {
	for _, test := range []struct{ args, want []string }{
		{[]string{"-q", "--", "ip_vs_rr"}, []string{"-q", "--", "ip_vs_rr"}},
		{[]string{"-va", "ip_vs", "dummy"}, []string{"-v", "-a", "ip_vs", "dummy"}},
		{[]string{"--", "-va"}, []string{"--", "-va"}},
		{[]string{"bonding", "mode=4"}, []string{"bonding", "mode=4"}},
		{nil, nil},
	} {
		if diff := cmp.Diff(test.want, separate(test.args)); diff != "" {
			t.Errorf("%v: %s", test.args, diff)
		}
	}
}
