package director

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/config"
)

// Options.Follow, which works with files and the host, may hang: servers still come
// and go, and status still answers.
func TestFollowHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtual(vip, rs1, rs2)
		r := newFixture(t, conf(v))
		hang := make(chan struct{})
		r.o.Follow = func(c *config.Config) {
			if len(c.Virtuals) > 1 {
				<-hang
			}
		}
		r.start()
		defer r.stop()
		time.Sleep(2 * time.Second)
		r.edit("second", conf(v, virtual("10.0.0.9:80", rs1)), nil)
		reloaded := make(chan error, 1)
		go func() { reloaded <- r.Reload(t.Context()) }()
		r.farm.set(rs2, "broken")
		time.Sleep(2 * v.CheckInterval)
		r.want(v, vip+": "+rs1+"=1")
		if n := len(r.status().Services); n != 2 {
			t.Errorf("%d services, want 2", n)
		}
		close(hang)
		if err := <-reloaded; err != nil {
			t.Error(err)
		}
	})
}

// A configuration that is parsed and given up is in force for nobody.
func TestParsedAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFixture(t, conf(virtual(vip, rs1)))
		var told []int
		r.o.InForce = func(c *config.Config) { told = append(told, len(c.Virtuals)) }
		r.o.Follow = r.o.InForce
		r.start()
		defer r.stop()
		ctx, cancel := context.WithCancel(t.Context())
		parse := r.o.Parse
		r.o.Parse = func(ctx context.Context, src *config.Source) (*config.Config, error) {
			defer cancel()
			return parse(ctx, src)
		}
		r.edit("second", conf(virtual(vip, rs1), virtual("10.0.0.9:80", rs1)), nil)
		if err := r.Reload(ctx); err == nil {
			t.Error("reloaded")
		}
		if len(told) != 2 || told[0] != 1 || told[1] != 1 {
			t.Errorf("told %v", told)
		}
	})
}
