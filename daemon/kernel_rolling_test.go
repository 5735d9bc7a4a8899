//go:build kernel

package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// rollingServers are the real servers of a rolling deploy.
const rollingServers = 10

// TestRollingDeployOnIPVS: ten real servers are replaced one after the other while
// clients ask, each when the drain of it has ended. Not one request fails.
func TestRollingDeployOnIPVS(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	n := networks["IPv4"]
	n.servers = nil
	text := "checkinterval=1\nquiescent=no\nmanagesysctl=yes\ninterface=eth0\n%VIRTUAL%=%VIP%:80\n"
	for i := range rollingServers {
		n.servers = append(n.servers, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(111 + i)}), 24))
		text += fmt.Sprintf("\t%%REAL%%=10.0.0.%d:80 %%METHOD%%\n", 111+i)
	}
	c := newCluster(t, n, dataplane.Gate)
	for _, s := range c.servers {
		s.closes.Store(true)
	}
	dir := t.TempDir()
	file, control := filepath.Join(dir, "ldirectord.cf"), filepath.Join(dir, "control.sock")
	c.must(os.WriteFile(file, []byte(c.fill(text+"\tservice=http\n\tscheduler=wlc\n\tchecktype=connect\n")), 0o600))
	d := New(Options{Config: file, Dataplane: "ipvs", LogFormat: "text", LogLevel: slog.LevelWarn, Control: []string{control}, State: filepath.Join(dir, "state")})
	c.must(d.Start(t.Context()))
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	client := admin.Dial(control)
	ordered := func(verb director.Verb, s *realServer) {
		t.Helper()
		_, err := client.Order(t.Context(), director.Order{Verb: verb, Real: s.addr.String()})
		c.must(err)
		wait.For(t, fmt.Sprintf("%s of %s has ended", verb, s.name), func() ([]director.OrderStatus, bool) {
			all, err := client.Orders(t.Context(), "", s.addr.String())
			return all, err == nil && len(all) == 1 && all[0].Over
		})
	}
	for _, s := range c.servers {
		ordered(director.VerbReady, s) // it gets clients
	}

	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var served [rollingServers + 1]atomic.Uint64
	var failed atomic.Pointer[string]
	for i := range 16 {
		clients.Go(func() { c.askOn(ctx, i%2 == 0, &served, &failed) })
	}
	for _, s := range c.servers {
		ordered(director.VerbDrain, s)
		s.stop() // without mercy
		wait.For(t, s.name+" is found down", func() (string, bool) {
			h, err := client.History(t.Context(), "", s.addr.String())
			return fmt.Sprint(h, err), err == nil && len(h) == 1 && h[0].State == director.Down
		})
		s.start(t)
		ordered(director.VerbReady, s)
	}
	cancel()
	clients.Wait()
	if why := failed.Load(); why != nil {
		t.Errorf("a request has failed: %s", *why)
	}
	var row []string
	for i := 1; i <= rollingServers; i++ {
		row = append(row, fmt.Sprint(served[i].Load()))
	}
	t.Logf("requests by real server: %s", strings.Join(row, " "))
	if slices.Contains(row, "0") {
		t.Error("a real server has served nobody")
	}
}

// askOn makes requests until the context is done, on a connection for each or on one
// that is kept, and counts them by real server.
func (c *cluster) askOn(ctx context.Context, keep bool, served *[rollingServers + 1]atomic.Uint64, failed *atomic.Pointer[string]) {
	transport := &http.Transport{DisableKeepAlives: !keep, DialContext: c.client.Dial}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: time.Minute}
	for ctx.Err() == nil {
		resp, err := client.Get("http://" + netip.AddrPortFrom(c.vip, 80).String() + "/")
		var n int
		if err == nil {
			var body []byte
			body, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err == nil {
				_, err = fmt.Sscanf(string(body), "rs%d", &n)
			}
		}
		if err != nil {
			failed.CompareAndSwap(nil, new(err.Error()))
		} else {
			served[n].Add(1)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
