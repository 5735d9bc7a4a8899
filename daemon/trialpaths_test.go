package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon/trial"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/host/claim"
	"github.com/shunt-lb/shunt/ipvs"
)

// Each result says why checks by hand cannot be made by the VIP, and the
// check itself is made.
func TestWhyNotByVIP(t *testing.T) {
	addr := listenOn(t, "127.0.0.1:0")
	conf, err := config.Parse(t.Context(), "test.cf", fmt.Appendf(nil, `checkpath=vip
virtual=127.17.0.1:%[2]d
	real=%[1]s gate
	checktype=connect
virtual=127.17.0.2:%[2]d
	real=%[1]s gate
	checktype=connect
	dataplane=proxy
virtual=127.17.0.3:%[2]d
	real=%[1]s masq
	checktype=connect
`, addr, addr.Port()), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wasTable, was := ipvsTable, newIPVS
	t.Cleanup(func() { ipvsTable, newIPVS = wasTable, was })
	newIPVS = func(ipvs.Options) (*ipvs.Dataplane, error) { return nil, ipvs.ErrNoRights }
	expect := func(want string) {
		t.Helper()
		trials := director.Trials(conf)
		done := PathsForTrials(t.Context(), trials)
		defer func() {
			if err := done(); err != nil {
				t.Error(err)
			}
		}()
		wants, i := []string{want, "the service is on the proxy", ""}, 0
		err := trial.Run(t.Context(), trials, func(r trial.Result) {
			if !r.OK || r.Check != "connect" || !strings.Contains(r.NotByVIP, wants[i]) || (wants[i] == "") != (r.NotByVIP == "") {
				t.Errorf("%+v, want a check that succeeds, and %q", r, wants[i])
			}
			for _, e := range r.Events {
				if e.Kind == checks.TraceNoted && strings.Contains(e.Text, "by the VIP") {
					t.Errorf("%s has %q", r.Service, e.Text)
				}
			}
			i++
		})
		if err != nil || i != len(wants) {
			t.Errorf("%d results, %v", i, err)
		}
	}
	ipvsTable = "/does/not/exist"
	expect("IPVS is not loaded, and a check changes nothing that stays: run modprobe ip_vs first")
	ipvsTable = "/proc/self/stat"
	expect("CAP_NET_ADMIN")
	other := claim.New(trialClaim)
	expect("another `shunt check` makes checks by the VIP")
	other.Close()
	expect("CAP_NET_ADMIN")
}

// listenOn listens until the test ends.
func listenOn(t *testing.T, addr string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().(*net.TCPAddr).AddrPort()
}
