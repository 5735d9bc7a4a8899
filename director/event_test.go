package director

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/hooks"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// Commands and webhooks of a service are told of its changes in order, each by what
// they have asked for, and no more often than alertlimit allows.
func TestEventsOfACluster(t *testing.T) {
	v := virtual(vip, rs1, rs2)
	v.Webhook, v.Notify, v.Fallback = "https://user:hidden@hooks.example.test/hidden", "page", fallback("sorry")
	conf := conf(v)
	conf.Global.AlertLimit = dataplane.Rate{Count: 2, Per: time.Minute}
	r := newReplay(t, conf)
	r.result(rs1, nil)
	r.result(rs2, nil)
	want := []string{"page SHUNT_EVENT=up", "post https://hooks.example.test up " + rs2 + " held 0"}
	if got := strings.Join(r.out.take(), "\n"); !strings.Contains(got, strings.Join(want, "\n")) {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	r.result(rs1, errBad) // beyond the limit
	r.result(rs2, errBad)
	got := strings.Join(r.out.take(), "\n")
	if !strings.Contains(got, "page SHUNT_EVENT=down") || !strings.Contains(got, "page SHUNT_EVENT=fallbackup") || strings.Contains(got, "post ") {
		t.Errorf("beyond the limit:\n%s", got)
	}
	r.c.tick(r.now.Add(2 * time.Minute))
	if got := strings.Join(r.out.take(), "\n"); got != "post https://hooks.example.test fallbackup sorry held 2" {
		t.Errorf("when the time is over:\n%s", got)
	}
	if strings.Contains(got, "hidden") {
		t.Error("the URL is shown")
	}
}

// Real commands and receivers are told in order, with the change in the
// environment and the body, and one that hangs holds up nobody else.
func TestEventsAreTold(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	h := hooks.New(quiet())
	var mu sync.Mutex
	var posted []string
	e := executor{hooks: h, log: quiet(), events: newEvents(time.Now()), deliver: func(ctx context.Context, _ <-chan struct{}, p Post) error {
		if p.URL == "http://hangs/" {
			<-ctx.Done()
			return ctx.Err()
		}
		mu.Lock()
		defer mu.Unlock()
		posted = append(posted, p.Event.Event+" "+p.Event.Real)
		return nil
	}}
	a := alerts{phase: config.AlertRunning, out: e, at: time.Unix(1_700_000_000, 0)}
	v := virtual(vip, rs1)
	v.Notify, v.Webhook = `echo "$SHUNT_EVENT $SHUNT_SERVICE $SHUNT_REAL $SHUNT_TIME $SHUNT_STATUS $SHUNT_REASON" >>`+out, "http://hears/"
	stuck := v
	stuck.Webhook, stuck.Notify = "http://hangs/", ""
	for i := range 50 {
		a.tell(&stuck, Event{Event: "up"})
		a.tell(&v, Event{Event: "down", Real: fmt.Sprint(i), Reason: "`reboot`; $(reboot)"})
	}
	wait.For(t, "50 events are posted", func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		return len(posted), len(posted) >= 50
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	waitFor(ctx, out, 50)
	over, end := context.WithCancel(t.Context())
	end() // what hangs is given up
	h.Close(over)
	text, _ := os.ReadFile(out)
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		want := fmt.Sprintf("down tcp %s %d 2023-11-14T22:13:20Z running `reboot`; $(reboot)", vip, i)
		if line != want || posted[i] != fmt.Sprint("down ", i) {
			t.Fatalf("event %d is %q and %q, want %q", i, line, posted[i], want)
		}
	}
	if n := strings.Count(string(text), "\n"); n != 50 {
		t.Errorf("%d commands have run", n)
	}
}

// waitFor waits until a file has so many lines.
func waitFor(ctx context.Context, path string, lines int) {
	for ctx.Err() == nil {
		if text, _ := os.ReadFile(path); strings.Count(string(text), "\n") >= lines {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
