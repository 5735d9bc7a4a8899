//go:build kernel

package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/realserver"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/ipvs"
)

// The walk through tunnels of each type, to real servers that
// `shunt realserver apply` has made ready, which then goes back.
func TestWalkthroughOnIPVSThroughGRE(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		walkTunnel(t, "tunneltype=gre\n", networks["IPv4"], dataplane.Tunnel{Type: dataplane.TunnelGRE})
	}
}

func TestWalkthroughOnIPVSThroughGRE6(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		walkTunnel(t, "tunneltype=gre\n", networks["IPv6"], dataplane.Tunnel{Type: dataplane.TunnelGRE})
	}
}

func TestWalkthroughOnIPVSThroughGUE(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		walkTunnel(t, "tunneltype=gue\ntunnelport=6080\n", networks["IPv4"], dataplane.Tunnel{Type: dataplane.TunnelGUE, Port: 6080})
	}
}

func TestWalkthroughOnIPVSThroughGUE6(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		walkTunnel(t, "tunneltype=gue\ntunnelport=6081\ntunnelchecksum=remote\n", networks["IPv6"], dataplane.Tunnel{Type: dataplane.TunnelGUE, Port: 6081})
	}
}

func walkTunnel(t *testing.T, directives string, n network, tunnel dataplane.Tunnel) {
	t.Helper()
	c := newTunnelCluster(t, n, dataplane.IPIP, tunnel)
	c.walk(tunnel.String(), directives+strings.Replace(kernelCF, "%FALLBACK%", "sorry", 1))
	c.must(c.servers[0].in.Do(func() error {
		h := realserver.Host{Settings: sysctl.System, Note: realserver.Note(filepath.Join(t.TempDir(), "note"))}
		o := realserver.Options{VIPs: []netip.Addr{c.vip}, Forward: dataplane.IPIP, Tunnel: tunnel}
		done, err := h.Remove(o)
		t.Logf("removed: %v", done)
		if err != nil {
			return err
		}
		again, err := h.Remove(o)
		if len(done) == 0 || len(again) > 0 {
			t.Errorf("removed %v, and then %v", done, again)
		}
		return err
	}))
}

// TestTimeoutsOnIPVS: what the file names is set at a start and a reload, the
// rest is left alone, and a stop sets nothing back.
func TestTimeoutsOnIPVS(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.Gate)
	kernel, err := ipvs.New(ipvs.Options{})
	c.must(err)
	defer kernel.Close()
	holds := func(event string, tcp, fin, udp time.Duration) {
		t.Helper()
		got, err := kernel.Timeouts(t.Context())
		c.must(err)
		if want := (ipvs.Timeouts{TCP: tcp, TCPFin: fin, UDP: udp}); got != want {
			t.Errorf("%s: %+v, want %+v", event, got, want)
		}
	}
	holds("before", 15*time.Minute, 2*time.Minute, 5*time.Minute)
	file := strings.Replace(kernelCF, "%FALLBACK%", "sorry", 1)
	d := c.director("tcptimeout=1h\n" + file)
	holds("start", time.Hour, 2*time.Minute, 5*time.Minute)
	c.must(os.WriteFile(d.o.Config, []byte(c.fill("udptimeout=30\ntcpfintimeout=45s\n"+file)), 0o600))
	c.must(d.Reload(t.Context()))
	holds("reload", time.Hour, 45*time.Second, 30*time.Second)
	c.must(d.Stop(context.Background()))
	holds("stop", time.Hour, 45*time.Second, 30*time.Second)
}

// TestConnectionsOnIPVS lists those that the client has made, over the control
// socket, by service and by real server.
func TestConnectionsOnIPVS(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.Gate)
	d := c.director(strings.Replace(kernelCF, "%FALLBACK%", "sorry", 1) + "virtual=127.0.0.1:8080\n\tdataplane=proxy\n\tchecktype=on\n")
	c.until("both well", "rs1", "rs1", "rs1", "rs1", "rs2", "rs2")
	s := admin.New(admin.Options{Source: d, Log: d.log, Connections: d.plane.Connections})
	path := filepath.Join(t.TempDir(), "s")
	c.must(s.ListenControl(t.Context(), path))
	defer s.Close()
	count := func(f admin.ConnectionFilter) (n int) {
		t.Helper()
		err := admin.Dial(path).Connections(t.Context(), f, func(l dataplane.Connection) error {
			n++
			if l.Protocol != "TCP" || l.Virtual != netip.AddrPortFrom(c.vip, 80) || l.Client.Addr() != netip.MustParseAddr("192.168.10.50") || l.State == "" {
				t.Errorf("%+v is none of ours", l)
			}
			return nil
		})
		c.must(err)
		return n
	}
	// The kernel's table is one for all namespaces and is read by position:
	// what comes and goes in the others moves an entry past the reader, or
	// before it once more.
	t.Log(wait.For(t, "all connections are listed once", func() (string, bool) {
		all := count(admin.ConnectionFilter{Service: "tcp " + netip.AddrPortFrom(c.vip, 80).String()})
		first, second := count(admin.ConnectionFilter{Real: c.servers[0].addr.String()}), count(admin.ConnectionFilter{Real: c.servers[1].addr.String() + ":80"})
		return fmt.Sprintf("%d connections: %d and %d", all, first, second), all >= 6 && first+second == all && first >= second && second > 0
	}))
	if n := count(admin.ConnectionFilter{Service: "127.0.0.1:8080"}); n != 0 {
		t.Errorf("%d connections of a service on the proxy", n)
	}
}
