package prober

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/spec"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// check is a check of addr by connect, every ten seconds.
func check(addr string) *spec.Check {
	v := &config.Virtual{ID: dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.MustParseAddrPort("10.0.0.100:80")}}
	v.CheckType, v.CheckTimeout = config.CheckConnect, 30*time.Second
	v.CheckInterval, v.FastInterval, v.DownInterval = 10*time.Second, 10*time.Second, 10*time.Second
	return spec.For(v, &config.Real{Addr: netip.MustParseAddrPort(addr), Forward: dataplane.Masq, Weight: 1})
}
