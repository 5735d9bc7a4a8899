package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is parsed and does not come into force has no effect: no log file is
// made and no line goes elsewhere, no bound, no dataplane of a service and no
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
	conf, err := b.parse(t.Context(), fmt.Appendf(nil,
		"logfile = %s\nmaxconnections = 5\nvirtual = %s\n\tservice = http\n\tfallback = sorry\n\tsorrypage = %s\n\tdataplane = proxy\n"+
			"virtual = 127.0.0.1:1\n\tdataplane = proxy\n\tfallback = sorry\n", other, b.vip, page))
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
func (b *bench) effects() string {
	return fmt.Sprint(b.plane.proxy.Load().Connections.Limit, " ", b.plane.want, " ", b.sites, " ", len(b.sorryStats()))
}
