package config_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSlowStart(t *testing.T) {
	const noEffect = "4: `slowstart` has no effect with scheduler "
	for _, tt := range []struct {
		global, scheduler, own string
		want                   time.Duration
		warning                string
	}{
		{"", "wrr", "checktype=connect", 0, ""},
		{"slowstart=30", "wrr", "checktype=connect", 30 * time.Second, ""},
		{"slowstart=30", "wlc", "slowstart=1500ms", 1500 * time.Millisecond, ""},
		{"slowstart=30", "sed", "slowstart=0", 0, ""},
		{"", "nq", "slowstart=2m", 2 * time.Minute, ""},
		{"slowstart=30", "rr", "checktype=connect", 0, ""},
		{"slowstart=30", "fo", "slowstart=0", 0, ""},
		{"", "rr", "slowstart=30", 0, noEffect + "rr"},
		{"", "lc", "slowstart=30", 0, noEffect + "lc"},
		{"", "ovf", "slowstart=30", 0, noEffect + "ovf"},
		{"", "mh", "slowstart=30", 0, noEffect + "mh"},
		{"", "lblcr", "slowstart=30", 0, noEffect + "lblcr"},
	} {
		t.Run(fmt.Sprint(tt.global, tt.scheduler, tt.own), func(t *testing.T) {
			c := mustParse(t, fmt.Sprintf("%s\nvirtual=192.0.2.80:80\n    scheduler=%s\n    %s\n    real=192.0.2.1:80 masq\n",
				tt.global, tt.scheduler, tt.own))
			if got := c.Virtuals[0].Ramp(); got != tt.want {
				t.Errorf("a ramp of %v, want %v", got, tt.want)
			}
			var warnings []string
			if tt.warning != "" {
				warnings = []string{tt.warning}
			}
			if diff := cmp.Diff(warnings, texts(c.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}
