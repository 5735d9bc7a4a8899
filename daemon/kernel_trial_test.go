//go:build kernel

package daemon

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon/trial"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// Checks by hand go by the VIP as well, beside a running shunt and without one, and
// leave the kernel's table as it was, also when they are interrupted.
func TestCheckByHandOnIPVS(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.Gate)
	text := pathCF + "\treceive=\"^rs[12]$\"\n"
	d := c.director(text) // which loads the module, and has the VIP
	c.ready(d)
	c.first(d, "all well", "up", "")
	before := kernelTable(t)
	results := c.checkByHand(t.Context(), text, nil)
	if !results[0].OK || !results[1].OK || results[0].NotByVIP != "" || results[1].NotByVIP != "" {
		t.Errorf("all well: %+v", results)
	}
	if got := kernelTable(t); got != before {
		t.Errorf("after it the table is %q, was %q", got, before)
	}

	c.otherOnVIP(c.servers[0])
	results = c.checkByHand(t.Context(), text, func() {
		paths := pathsInKernel(t)
		trials := slices.DeleteFunc(slices.Clone(paths), func(line string) bool { return !strings.HasPrefix(line, "FWM 53484") })
		if len(trials) != 2 || len(paths) != 4 {
			t.Errorf("meanwhile the table has %q, want two services for checks by hand beside two of the director", paths)
		}
	})
	if r := results[0]; r.OK || !strings.Contains(r.Verdict, "another service answers on the VIP, or another virtual host") || !results[1].OK {
		t.Errorf("another page on the VIP: %+v", results)
	}
	c.first(d, "the director says the same", "down", "another virtual host")
	c.must(d.Stop(t.Context()))
	before = kernelTable(t)

	ctx, cancel := context.WithCancel(t.Context())
	c.checkByHand(ctx, text, cancel)
	if got := kernelTable(t); got != before {
		t.Errorf("after an interruption the table is %q, was %q", got, before)
	}

	release, err := setTrialPaths(t.Context(), nil)
	c.must(err)
	for _, r := range c.checkByHand(t.Context(), text, nil) {
		if !strings.Contains(r.NotByVIP, "another `shunt check`") {
			t.Errorf("beside another one: %+v, want that it says so", r)
		}
	}
	c.must(release())
}

// checkByHand makes the checks of a file once, and calls meanwhile when their paths
// are set.
func (c *cluster) checkByHand(ctx context.Context, text string, meanwhile func()) (results []trial.Result) {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "ldirectord.cf")
	conf, err := config.Parse(c.t.Context(), file, []byte(c.fill(text)), config.Options{})
	c.must(err)
	trials := director.Trials(conf)
	done := PathsForTrials(ctx, trials)
	if meanwhile != nil {
		meanwhile()
	}
	_ = trial.Run(ctx, trials, func(r trial.Result) { results = append(results, r) })
	c.must(done())
	var out bytes.Buffer
	p := trial.Printer{Out: &out}
	for _, r := range results {
		p.Print(r)
	}
	c.t.Logf("%s", &out)
	return results
}
