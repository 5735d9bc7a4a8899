package daemon

import (
	"reflect"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/config/changes"
	"github.com/shunt-lb/shunt/director"
)

// TestPlan: what a dry run says is what the reload then does and says, it changes
// nothing, and there is nothing left to do afterwards.
func TestPlan(t *testing.T) {
	const service = "virtual=%VIP%\n\tservicename=shop\n\treal=%REAL% masq\n\tchecktype=connect\n"
	b := set(t, "checkinterval=10\n"+service)
	client := admin.Dial(b.o.Control[0])
	status := func() director.Status {
		st, err := client.Status(t.Context())
		mustDo(t, err)
		return st
	}
	real := status().Services[0].Servers[0].Server
	fill := strings.NewReplacer("%VIP%", b.vip, "%REAL%", real).Replace
	for _, step := range []struct {
		name, text             string
		added, changed, remove int
		says                   string
	}{
		{"as it is", "checkinterval=10\n" + service, 0, 0, 0, "0 added, 0 changed, 0 removed, 1 kept; warnings: 0"},
		{"a global", "checkinterval=9\n" + service, 0, 0, 0, "~ checkinterval  10 -> 9"},
		{"a scheduler", "checkinterval=9\n" + service + "\tscheduler=lc\n", 0, 1, 0, "~ scheduler  wrr -> lc"},
		{"a weight", "checkinterval=9\n" + strings.Replace(service, "masq", "masq 7", 1), 0, 1, 0, "masq 1 -> masq 7"},
		{"another service", "virtual=127.0.0.1:1\n\tchecktype=off\n" + service, 1, 1, 0, "tcp 127.0.0.1:1: added, real servers: 0"},
		{"none", "checkinterval=9\n", 0, 0, 2, ": removed, real servers: 1"},
	} {
		before := status().Config
		b.write(fill(step.text))
		plan, err := client.Reload(t.Context(), true)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if now := status().Config; !reflect.DeepEqual(now, before) {
			t.Errorf("%s: after a dry run the status has %+v, before it %+v", step.name, now, before)
		}
		if a, c, r := plan.Count(); a != step.added || c != step.changed || r != step.remove {
			t.Errorf("%s: %d added, %d changed, %d removed: %+v", step.name, a, c, r, plan)
		}
		var out strings.Builder
		mustDo(t, text.RenderPlan(&out, plan, true, text.Options{}))
		if !strings.Contains(out.String(), step.says) {
			t.Errorf("%s: want %q in\n%s", step.name, step.says, &out)
		}
		done, err := client.Reload(t.Context(), false)
		if err != nil || !reflect.DeepEqual(done, plan) {
			t.Errorf("%s: the reload says %+v, %v, and the dry run said %+v", step.name, done, err, plan)
		}
		if again, err := client.Reload(t.Context(), true); err != nil || !reflect.DeepEqual(again.Sections, []changes.Section{}) {
			t.Errorf("%s: after it there is still %+v, %v", step.name, again, err)
		}
	}
	b.write("virtual = nonsense\n")
	_, dry := client.Reload(t.Context(), true)
	if refused := status().Config.ReloadError; refused != "" {
		t.Errorf("a dry run of a bad file counts as a reload: %q", refused)
	}
	_, wet := client.Reload(t.Context(), false)
	if dry == nil || wet == nil || dry.Error() != wet.Error() {
		t.Errorf("a bad file: the dry run says %v, the reload %v", dry, wet)
	}
}
