package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// TestExplain: whatever keeps a real server or all clients of a service out, one screen
// says what it is and what ends it.
func TestExplain(t *testing.T) {
	closed := process.FreeAddr(t).String()
	service := func(name, reals, more string) string {
		return fmt.Sprintf("virtual=%s\n\tservicename=%s\n%s\tchecktype=connect\n\tscheduler=wrr\n%s", process.FreeAddr(t), name, reals, more)
	}
	maintained := echo(t)
	b := set(t, "checkinterval=1\nmaintenancedir=%DIR%/maint\nvirtual=%VIP%\n\tservicename=well\n\treal=%REAL% masq 3\n\tchecktype=connect\n"+
		service("failing", "\treal="+closed+" masq\n", "\tfailurecount=2\n")+
		service("maintained", "\treal="+maintained+" masq\n", "")+
		service("drained", "\treal="+echo(t)+" masq\n", "")+
		service("zero", "\treal="+echo(t)+" masq 0\n", "")+
		service("rising", "\treal="+echo(t)+" masq\n", "\trisecount=100000\n")+
		service("quorate", "\treal="+echo(t)+" masq 2\n", "\tquorum=5\n\tfallback=sorry\n")+
		service("ordered", "\treal="+echo(t)+" masq 2\n", "\tfallback=sorry\n")+
		service("unresolved", "\treal=no-such-host.invalid:80 masq\n\treal="+echo(t)+" masq\n", ""), "maint")
	mustDo(t, os.WriteFile(filepath.Join(b.dir, "maint", maintained), nil, 0o600))
	client := admin.Dial(b.o.Control[0])
	real := map[string]string{} // by service
	st, err := client.Status(t.Context())
	mustDo(t, err)
	for _, sv := range st.Services {
		for _, rs := range sv.Servers {
			real[sv.Name] = rs.Server
		}
	}
	_, err = client.Order(t.Context(), director.Order{Verb: director.VerbDrain, Real: real["drained"], Reason: "ticket 4711"})
	mustDo(t, err)
	mustDo(t, client.Fallback(t.Context(), director.FallbackOrder{Service: "ordered", On: true}))

	for _, c := range []struct {
		name  string
		words []string
	}{
		{real["well"], []string{"is in use", "weight   3 in force; the file says 3", "good", "next     a check"}},
		{real["failing"], []string{"is OUT OF USE", "connect " + closed + ": connection refused", "down after 2 failures in a row", "up after one success"}},
		{real["maintained"], []string{"is OUT OF USE", "maintenance for", "rm " + filepath.Join(b.dir, "maint", maintained), "good"}},
		{real["drained"], []string{"keeps its connections and gets no new ones", "ticket 4711", "shunt ready " + real["drained"]}},
		{real["zero"], []string{"keeps its connections and gets no new ones", "its weight is 0", "the file says 0", "shunt weight " + real["zero"] + " 1"}},
		{real["rising"], []string{"not yet in use", "check ok", "up after 9"}},
		{real["quorate"], []string{"keeps its connections and gets no new ones", "quorum 2 of 5 NOT REACHED", "the file says 2"}},
		{real["ordered"], []string{"keeps its connections and gets no new ones", "the fallback answers by order"}},
		{"no-such-host.invalid", []string{"WAITING", "no address found for `no-such-host.invalid`", "shunt looks again by itself"}},
		{"well", []string{"is in use", real["well"] + " up", "no fallback"}},
		{"failing", []string{"is OUT OF USE", "no usable real server", "connection refused"}},
		{"quorate", []string{"fallback ACTIVE (sorry)", "quorum 2 of 5 NOT REACHED", "weigh 5"}},
		{"ordered", []string{"fallback ACTIVE (sorry)", "shunt fallback off '"}},
	} {
		wait.For(t, c.name+" explained", func() (string, bool) {
			e, err := client.Explain(t.Context(), c.name, "")
			if err != nil {
				return err.Error(), false
			}
			var out strings.Builder
			mustDo(t, text.RenderExplanation(&out, e, text.Options{Width: 80}))
			screen, all := out.String(), true
			if n := strings.Count(screen, "\n"); n > 24 {
				t.Errorf("%d lines are more than a screen:\n%s", n, screen)
			}
			for line := range strings.Lines(screen) {
				if utf8.RuneCountInString(line) > 81 && !strings.Contains(line, b.dir) { // a path cannot be folded
					t.Errorf("too long a line: %q", line)
				}
			}
			folded := strings.Join(strings.Fields(screen), " ")
			for _, w := range c.words {
				all = all && (strings.Contains(screen, w) || strings.Contains(folded, strings.Join(strings.Fields(w), " ")))
			}
			return screen, all
		})
	}
	if _, err := client.Explain(t.Context(), "wel", ""); err == nil || !strings.Contains(err.Error(), "no virtual service and no real server is called wel: there is well") {
		t.Errorf("a typo: %v", err)
	}
	if _, err := client.Explain(t.Context(), real["well"], "falling"); err == nil || !strings.Contains(err.Error(), "no virtual service is called falling") {
		t.Errorf("a typo of the service: %v", err)
	}
}
