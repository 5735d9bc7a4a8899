package config_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// TestWaiting reads small files that name one thing which is not there. What an
// operator is told stands beside each of them.
func TestWaiting(t *testing.T) {
	for _, file := range files(t, "testdata/waiting/*.cf") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".cf"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := mustParse(t, string(text))
			if len(c.Waiting) != 1 || slices.ContainsFunc(c.Warnings, func(p config.Problem) bool { return p.Severity != config.Warning }) {
				t.Errorf("waiting for\n%v\nwarnings\n%v\nwant to wait for one thing, and to hear of it once", c.Waiting, c.Warnings)
			}
			want(t, strings.TrimSuffix(file, ".cf")+".want", report(t, c.Waiting))
		})
	}
}

// from reads text as after a configuration that was in force.
func from(t *testing.T, before *config.Config, h hosts, again bool, text string) *config.Config {
	t.Helper()
	c, err := config.Parse(t.Context(), "test.cf", []byte(text), config.Options{Resolver: h, Before: before, Again: again})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// inForce writes the services of c, each with its real servers and fallback,
// and how much c waits for.
func inForce(c *config.Config) string {
	var b strings.Builder
	for _, v := range c.Virtuals {
		fmt.Fprintf(&b, "%s:", v.ID)
		for _, r := range v.Reals {
			fmt.Fprintf(&b, " %s", r.Addr)
		}
		if v.Fallback != nil {
			fmt.Fprintf(&b, " else %s", v.Fallback)
		}
		b.WriteString("; ")
	}
	fmt.Fprintf(&b, "waiting %d", many(c.Waiting))
	return b.String()
}

// many counts problems as often as they were met.
func many(ps config.Problems) (n int) {
	for _, p := range ps {
		n += max(p.Count, 1)
	}
	return n
}

// Only unknown names are left out; addresses known before stay, even if the rest
// of the file has changed.
func TestNamesThatAreGone(t *testing.T) {
	const text = `fallback=last:80
virtual=www.example.test:80
    scheduler=rr
    real=www:81 masq
    real=localhost:82 masq
virtual6=[2001:db8::80]:80
    real6=www.example.test:83 masq
    fallback6=localhost:84
virtual=192.0.2.99:80
    real=192.0.2.1->last masq
    fallback=last:85
`
	whole := from(t, nil, testHosts, false, text)
	const all = "tcp 192.0.2.1:80: 192.0.2.2:81 127.0.0.1:82 else 192.0.2.4:80 gate; " +
		"tcp [2001:db8::80]:80: [2001:db8::1]:83 else [::1]:84 gate; " +
		"tcp 192.0.2.99:80: 192.0.2.1:0 192.0.2.2:0 192.0.2.3:0 192.0.2.4:0 else 192.0.2.4:85 gate; "
	if got := inForce(whole); got != all+"waiting 0" {
		t.Fatalf("with all names:\n%s\nwant\n%s", got, all)
	}
	without := func(names ...string) hosts {
		h := hosts{}
		for name, addrs := range testHosts {
			if !slices.Contains(names, name) {
				h[name] = addrs
			}
		}
		return h
	}
	for _, tt := range []struct{ gone, want string }{
		{"www", strings.Replace(all, " 192.0.2.2:81", "", 1) + "waiting 1"},
		{"last", "tcp 192.0.2.1:80: 192.0.2.2:81 127.0.0.1:82; tcp [2001:db8::80]:80: [2001:db8::1]:83 else [::1]:84 gate; tcp 192.0.2.99:80:; waiting 3"},
		{"www.example.test", "tcp [2001:db8::80]:80: else [::1]:84 gate; tcp 192.0.2.99:80: 192.0.2.1:0 192.0.2.2:0 192.0.2.3:0 192.0.2.4:0 else 192.0.2.4:85 gate; waiting 2"},
	} {
		c := from(t, nil, without(tt.gone), false, text)
		if c.LeftOut != len(whole.Virtuals)-len(c.Virtuals) {
			t.Errorf("without %s: %d of %d services left out, %d are there", tt.gone, c.LeftOut, len(whole.Virtuals), len(c.Virtuals))
		}
		if got := inForce(c); got != tt.want {
			t.Errorf("without %s, nothing known before:\n%s\nwant\n%s", tt.gone, got, tt.want)
		}
		kept := from(t, whole, without(tt.gone), false, text)
		if got := inForce(kept); !strings.HasPrefix(got, all) || len(kept.Waiting) == 0 {
			t.Errorf("without %s, all known before:\n%s\nwant all in force, and the name waited for", tt.gone, got)
		}
		if twice := from(t, kept, hosts{}, false, text); !strings.HasPrefix(inForce(twice), all) {
			t.Errorf("and then without any:\n%s\nwant all in force", inForce(twice))
		}
		for _, before := range []*config.Config{c, kept} {
			if back := from(t, before, testHosts, true, text); inForce(back) != inForce(whole) {
				t.Errorf("%s is back:\n%s\nwant\n%s", tt.gone, inForce(back), inForce(whole))
			}
		}
	}
}

// Looking again asks for what is missing and leaves alone what is known: a
// name with changing addresses does not move.
func TestAgainAsksForWhatIsMissing(t *testing.T) {
	const text = "virtual=192.0.2.80:80\n    real=www:80 masq\n    real=new:80 masq\n"
	c := from(t, nil, testHosts, false, text)
	moved := hosts{"www": {netip.MustParseAddr("192.0.2.77")}, "new": {netip.MustParseAddr("192.0.2.78")}}
	if got, want := inForce(from(t, c, moved, true, text)), "tcp 192.0.2.80:80: 192.0.2.2:80 192.0.2.78:80; waiting 0"; got != want {
		t.Errorf("again: %s, want %s", got, want)
	}
	if got, want := inForce(from(t, c, moved, false, text)), "tcp 192.0.2.80:80: 192.0.2.77:80 192.0.2.78:80; waiting 0"; got != want {
		t.Errorf("a reload: %s, want %s", got, want)
	}
}

// Two names that get the same address make nothing wrong of the text.
func TestNamesWithOneAddress(t *testing.T) {
	c := from(t, nil, testHosts, false, "virtual=www:80\n    real=192.0.2.9:80 masq\nvirtual=192.0.2.2:80\n    real=192.0.2.8:80 masq\nvirtual=192.0.2.3:80\n    real=last->www:80 masq\n")
	if got, want := inForce(c), "tcp 192.0.2.2:80: 192.0.2.9:80; tcp 192.0.2.3:80:; waiting 2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Names that can be nobody's are wrong wherever the file is read, and nobody
// is asked for them.
func TestNeverNames(t *testing.T) {
	for _, name := range []string{"192.0.2.256", "300.1.1.1", "1.2.3.4.5", "a..b", ".a", strings.Repeat("x", 64), strings.Repeat("abcdefg.", 32) + "a"} {
		ps := wrong(t, "virtual="+name+":80\nvirtual=192.0.2.80:80\n    real="+name+":80 masq\n    fallback="+name+"\n", config.Options{Resolver: silentHosts{}})
		if len(ps) != 1 || ps[0].Severity != config.Error || ps[0].Pos.Line != 1 || ps[0].Also != [5]int{3, 4} {
			t.Errorf("%s: %v, want an error for each line", name, ps)
		}
	}
	c := from(t, nil, hosts{}, false, "virtual=192.0.2.80:80\n    real=web.1:80 masq\n    real=x1:80 masq\n    real=host.:80 masq\n")
	if len(c.Waiting) != 3 {
		t.Errorf("waiting for %v, want three names", c.Waiting)
	}
}

// A list that cannot be read keeps a service from everybody, or leaves it as
// it is in force; one that was read before stays.
func TestListsThatAreGone(t *testing.T) {
	for _, directive := range []string{"allow", "deny", "trustedproxies"} {
		for _, global := range []bool{false, true} {
			list := listFile(t, "192.0.2.0/24\n")
			line, head := directive+"=@"+list, ""
			if global {
				head, line = line+"\n", "scheduler=rr"
			}
			text := head + "virtual=192.0.2.80:80\n    " + line + "\n    real=192.0.2.1:80 masq\nvirtual=192.0.2.81:80\n    allow=all\n    deny=none\n    trustedproxies=none\n"
			whole := mustParse(t, text)
			if err := os.Remove(list); err != nil {
				t.Fatal(err)
			}
			const served, rest = "tcp 192.0.2.80:80: 192.0.2.1:80; tcp 192.0.2.81:80:; ", "tcp 192.0.2.81:80:; "
			if got := inForce(from(t, nil, nil, false, text)); got != rest+"waiting 1" {
				t.Errorf("%s: %s, want only the other service", text, got)
			}
			kept := from(t, whole, nil, false, text)
			if got := inForce(kept); got != served+"waiting 1" || fmt.Sprint(clientsOf(kept, directive)) != "[192.0.2.0/24]" {
				t.Errorf("%s: %s for %v, want the list from before", text, got, clientsOf(kept, directive))
			}
			bare := mustParse(t, "virtual=192.0.2.80:80\n    deny=192.0.2.9\n    real=192.0.2.1:80 masq\n    real=192.0.2.2:80 masq\n")
			if got := inForce(from(t, bare, nil, false, text)); got != "tcp 192.0.2.80:80: 192.0.2.1:80 192.0.2.2:80; "+rest+"waiting 1" {
				t.Errorf("%s: %s, want the service as it was", text, got)
			}
			if err := os.WriteFile(list, []byte("198.51.100.0/24\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			again := from(t, kept, nil, true, text)
			if got := fmt.Sprint(clientsOf(again, directive)); got != "[198.51.100.0/24]" || len(again.Waiting) > 0 {
				t.Errorf("%s: back, but %s, waiting for %v", text, got, again.Waiting)
			}
		}
	}
}

func clientsOf(c *config.Config, directive string) []netip.Prefix {
	v := c.Virtuals[0]
	return map[string]config.Clients{"allow": v.Allow, "deny": v.Deny, "trustedproxies": v.TrustedProxies}[directive].Prefixes
}

// A list that cannot be read is waited for, whatever the path leads to.
func TestListsThatAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, "/dev/null", "/dev/zero", filepath.Join(dir, "no", "list"), "/proc/self/mem/list"} {
		c := mustParse(t, "virtual=192.0.2.80:80\n    deny=@"+path+"\n")
		if len(c.Virtuals) > 0 || len(c.Waiting) != 1 {
			t.Errorf("%s: %s, want no service", path, inForce(c))
		}
	}
}
