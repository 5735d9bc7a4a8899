package prober

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/dataplane"
)

// Silence by the VIP counts for nothing if this host got its settings meanwhile.
func TestSilenceWhileTheHostIsSetUp(t *testing.T) {
	for _, c := range []struct {
		name           string
		before, during uint64
		want           checks.Kind
	}{
		{"quiet", 2, 0, checks.Timeout},
		{"began before, ended after", 0, 2, checks.Resource},
		{"began during", 1, 0, checks.Resource},
	} {
		p := New(nil, 1, quiet())
		p.settings.Store(c.before)
		slow := func(ctx context.Context, _ checks.Target) error {
			<-ctx.Done() // no time is left for the VIP
			p.settings.Add(c.during)
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		err := p.byVIP(slow, checks.Path{Mark: dataplane.FirstPathMark, VIP: netip.MustParseAddrPort("10.0.0.100:80")})(ctx, checks.Target{})
		cancel()
		if checks.KindOf(err) != c.want {
			t.Errorf("%s: %v (%s), want %s", c.name, err, checks.KindOf(err), c.want)
		}
	}
}
