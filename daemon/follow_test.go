package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// A file that is parsed and does not come into force has no effect: no log file
// is made and no line goes elsewhere, no bound, no dataplane of a service and no
// page of it changes.
func TestParseHasNoEffect(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	b := set(t, "logfile = "+log+"\nmaxconnections = 77\nvirtual = %VIP%\n\tservice = http\n\tfallback = sorry\n")
	other := filepath.Join(b.dir, "other")
	page := filepath.Join(b.dir, "page.html")
	if err := os.WriteFile(page, []byte("not in force"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := b.effects()
	conf, err := b.parse(t.Context(), config.NewSource(b.file, fmt.Appendf(nil,
		"logfile = %s\nmaxconnections = 5\nvirtual = %s\n\tservice = http\n\tfallback = sorry\n\tsorrypage = %s\n\tdataplane = proxy\n"+
			"virtual = 127.0.0.1:1\n\tdataplane = proxy\n\tfallback = sorry\n", other, b.vip, page)))
	if err != nil {
		t.Fatal(err)
	}
	if got := b.effects(); got != before {
		t.Errorf("parsed: %s\nbefore: %s", got, before)
	}
	b.log.Error("a line")
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), "a line") {
		t.Errorf("the log is %q, %v", text, err)
	}
	if body := get(t, b.vip); strings.Contains(body, "not in force") {
		t.Error("the page is in force")
	}
	// And what comes into force has all of them.
	b.inForce(conf)
	b.follow(conf)
	if got := b.effects(); got == before {
		t.Errorf("in force: %s", got)
	}
	if body := get(t, b.vip); !strings.Contains(body, "not in force") {
		t.Errorf("the page is %q", body)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

// effects is what a configuration changes in memory, in words.
func (b *fixture) effects() string {
	return fmt.Sprint(b.plane.proxy.Load().Connections.Limit, " ", b.plane.Routes(), " ", b.sites, " ", len(b.sorryStats()))
}

// A reload with a page that cannot be read keeps the page, and takes over
// everything else that is said of the sorry server.
func TestReloadWithoutThePage(t *testing.T) {
	b := set(t, "virtual = 127.0.0.1:1\n")
	name := filepath.Join(b.dir, "page.html")
	if err := os.WriteFile(name, []byte("our page"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := func(page, more string) string {
		return fmt.Sprintf("virtual = %s\n\tfallback = sorry\n\tsorrypage = %s\n\tservice = %s\n", b.vip, page, more)
	}
	for _, step := range []struct{ name, text, want, page string }{
		{"at first", text(name, "http\n\tsorrystatus = 501"), "501", "our page"},
		{"another status", text(name+".no", "http\n\tsorrystatus = 502"), "502", "our page"},
		{"none", text(name+".no", "http\n\tcheckinterval = 7"), "503", "our page"},
		{"another protocol", text(name+".no", "ftp\n\tchecktype = connect"), "421", ""},
		{"and back", text(name+".no", "http"), "503", "our page"},
		{"its own page again", text(name, "http\n\tsorrystatus = 505"), "505", "our page"},
		{"without one", strings.Replace(text("", "http\n\tsorrytitle = The Shop"), "\tsorrypage = \n", "", 1), "503", "The Shop"},
		{"not there, and the title changed", text(name+".no", "http\n\tservicename = internal 7\n\tsorrytitle = The Store\n\tsorrystatus = 504"), "504", "The Store"},
	} {
		b.write(step.text)
		if err := b.Reload(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		said := ""
		until(t, func() string { said = request(b.vip); return step.name + ": " + said }, func(string) bool { return said != "" })
		if !strings.Contains(strings.SplitN(said, "\n", 2)[0], step.want) || !strings.Contains(said, step.page) || strings.Contains(said, "internal 7") {
			t.Errorf("%s: the answer is %q, want %s and %q", step.name, said, step.want, step.page)
		}
	}
}
