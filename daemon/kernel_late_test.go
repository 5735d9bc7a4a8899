//go:build kernel

package daemon

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/ipvs"
)

// A service that needs IPVS is served when the kernel gets it, and what the
// proxy serves stays there.
func TestIPVSThatComesLater(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	was := newIPVS
	t.Cleanup(func() { newIPVS = was })
	var there atomic.Bool
	newIPVS = func(o ipvs.Options) (*ipvs.Dataplane, error) {
		if !there.Load() {
			return nil, ipvs.ErrNoIPVS
		}
		return was(o)
	}
	b := setOn(t, auto, "virtual=7\n\treal=127.0.0.1:9 gate\n\tchecktype=on\nvirtual = %VIP%\n\treal = %REAL% masq\n\tchecktype = connect\n")
	_ = b.connect().Close()
	if s, err := b.Status(t.Context()); err != nil || len(s.Config.Waiting) != 1 || s.Ready {
		t.Fatalf("without IPVS: waiting for %q, ready %v, %v", s.Config.Waiting, s.Ready, err)
	}
	there.Store(true)
	until(t, func() string {
		s, err := b.Status(t.Context())
		if err != nil {
			return err.Error()
		}
		return strings.Join(s.Config.Waiting, "\n") + s.Unready
	}, func(now string) bool { return now == "" })
	if table := kernelTable(t); !strings.Contains(table, "FWM 00000007") || strings.Count(table, "TCP") > 0 {
		t.Errorf("the kernel has\n%s", table)
	}
	_ = b.connect().Close()
}
