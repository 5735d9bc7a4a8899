//go:build kernel

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/realserver"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A cluster is the network of the guides: a client behind a router, this
// process's namespace as the director, and two real servers prepared as
// `shunt realserver apply` does.
type cluster struct {
	t       *testing.T
	method  dataplane.Forward
	tunnel  dataplane.Tunnel
	vip     netip.Addr
	client  *netlab.Namespace
	servers []*realServer
}

// A realServer is a web server in a namespace that says its name.
type realServer struct {
	in   *netlab.Namespace
	name string
	addr netip.Addr
	bind netip.Addr
	http *http.Server
	// broken: checks fail, clients still get the name.
	broken atomic.Bool
	// closes has the connection of each eighth request end, so that clients that keep
	// theirs leave some time.
	closes   atomic.Bool
	requests atomic.Uint64
}

// network is the addresses of one family.
type network struct {
	client, routerOut, routerIn, director netip.Prefix
	servers                               []netip.Prefix
	vip                                   netip.Addr
}

var networks = map[string]network{
	"IPv4": {
		netip.MustParsePrefix("192.168.10.50/24"), netip.MustParsePrefix("192.168.10.1/24"),
		netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.0.10/24"),
		[]netip.Prefix{netip.MustParsePrefix("10.0.0.110/24"), netip.MustParsePrefix("10.0.0.120/24")},
		netip.MustParseAddr("10.0.0.100"),
	},
	"IPv6": {
		netip.MustParsePrefix("fd00:10::50/64"), netip.MustParsePrefix("fd00:10::1/64"),
		netip.MustParsePrefix("fd00::1/64"), netip.MustParsePrefix("fd00::10/64"),
		[]netip.Prefix{netip.MustParsePrefix("fd00::110/64"), netip.MustParsePrefix("fd00::120/64")},
		netip.MustParseAddr("fd00::100"),
	},
}

func newCluster(t *testing.T, n network, method dataplane.Forward) *cluster {
	t.Helper()
	return newTunnelCluster(t, n, method, dataplane.Tunnel{})
}

func newTunnelCluster(t *testing.T, n network, method dataplane.Forward, tunnel dataplane.Tunnel) *cluster {
	t.Helper()
	c := &cluster{t: t, method: method, tunnel: tunnel, vip: n.vip}
	lab := netlab.Test(t)
	machine := func(name string) *netlab.Namespace {
		ns, err := lab.Namespace(name)
		c.must(err)
		return ns
	}
	end := func(in *netlab.Namespace, link string, p netip.Prefix) netlab.End {
		return netlab.End{In: in, Link: link, Addrs: []netip.Prefix{p}}
	}
	director, err := lab.Here("director")
	c.must(err)
	c.client = machine("client")
	router := machine("router")
	c.must(lab.Connect(end(c.client, "eth0", n.client), end(router, "eth0", n.routerOut)))
	ends := []netlab.End{end(router, "eth1", n.routerIn), end(director, "eth0", n.director)}
	for i, p := range n.servers {
		s := &realServer{in: machine(fmt.Sprintf("rs%d", i+1)), name: fmt.Sprintf("rs%d", i+1), addr: p.Addr(), bind: p.Addr()}
		c.servers = append(c.servers, s)
		ends = append(ends, end(s.in, "eth0", p))
	}
	_, err = lab.Bridge("lan", ends...)
	c.must(errors.Join(err, router.Forward(), c.client.Gateway(n.routerOut.Addr()), director.Gateway(n.routerIn.Addr())))
	for _, s := range c.servers {
		c.equip(s, n)
	}
	return c
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// equip prepares a real server for its forwarding method.
func (c *cluster) equip(s *realServer, n network) {
	c.t.Helper()
	if c.method == dataplane.Masq {
		c.must(s.in.Gateway(n.director.Addr()))
	} else {
		c.must(s.in.Gateway(n.routerIn.Addr()))
		c.must(s.in.Do(func() error {
			h := realserver.Host{Settings: sysctl.System, Note: realserver.Note(filepath.Join(c.t.TempDir(), "note"))}
			o := realserver.Options{VIPs: []netip.Addr{c.vip}, Forward: c.method, Tunnel: c.tunnel}
			if _, err := h.Apply(o); err != nil {
				return err
			}
			left, err := h.Check(o)
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("still missing: %v", left)
			}
			return err
		}))
	}
	s.start(c.t)
}

func (s *realServer) start(t *testing.T) {
	t.Helper()
	s.listen(t, net.JoinHostPort("", "80"))
}

// listen is start at an address.
func (s *realServer) listen(t *testing.T, addr string) {
	t.Helper()
	ln, err := s.in.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s.http = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s.requests.Add(1)%8 == 0 && s.closes.Load() {
			w.Header().Set("Connection", "close")
		}
		if s.broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, s.name)
	})}
	go func() { _ = s.http.Serve(ln) }()
	t.Cleanup(s.stop)
}

func (s *realServer) stop() { _ = s.http.Close() }

// director runs a daemon on a file made of text, with the placeholders filled.
func (c *cluster) director(text string) *Daemon {
	c.t.Helper()
	dir := c.t.TempDir()
	file := filepath.Join(dir, "ldirectord.cf")
	c.must(os.WriteFile(file, []byte(c.fill(text)), 0o600))
	d := New(Options{Config: file, Dataplane: "ipvs", LogFormat: "text", LogLevel: slog.LevelWarn})
	c.must(d.Start(c.t.Context()))
	c.t.Cleanup(func() { _ = d.Stop(context.Background()) })
	return d
}

// fill puts the cluster's addresses into a configuration.
func (c *cluster) fill(text string) string {
	vip, virtual, real := c.vip.String(), "virtual", "real"
	if c.vip.Is6() {
		vip, virtual, real = "["+vip+"]", "virtual6", "real6"
	}
	pairs := []string{"%VIP%", vip, "%VIRTUAL%", virtual, "%REAL%", real, "%METHOD%", c.method.String()}
	for i, s := range c.servers {
		pairs = append(pairs, fmt.Sprintf("%%RS%d%%", i+1), netip.AddrPortFrom(s.addr, 80).String())
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// ask makes one request from the client and returns who has answered.
func (c *cluster) ask() string { return c.askFor(10 * time.Second) }

// askFor is ask that waits for so long.
func (c *cluster) askFor(patience time.Duration) string {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return c.client.Dial(ctx, network, addr)
	}}
	client := http.Client{Transport: transport, Timeout: patience}
	resp, err := client.Get("http://" + netip.AddrPortFrom(c.vip, 80).String() + "/")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusServiceUnavailable {
		return "sorry"
	}
	return string(body)
}

// until waits until the client sees want in six requests, in whatever order,
// and logs them in theirs.
func (c *cluster) until(event string, want ...string) {
	c.t.Helper()
	row := wait.For(c.t, fmt.Sprintf("%s: the client sees %q", event, want), func() (row []string, ok bool) {
		for range 6 {
			row = append(row, c.ask())
		}
		return row, slices.Equal(slices.Sorted(slices.Values(row)), want)
	})
	c.t.Logf("%s: %s", event, strings.Join(row, " "))
}

const kernelCF = `checktimeout=3
checkinterval=1
quiescent=no
managesysctl=yes
interface=eth0
%VIRTUAL%=%VIP%:80
	%REAL%=%RS1% %METHOD% 2
	%REAL%=%RS2% %METHOD% 1
	fallback=%FALLBACK%
	service=http
	scheduler=wrr
	checktype=negotiate
	request="index.html"
`

// The walk through the guides on the kernel's IPVS, for every forwarding
// method and family, with the VIP put in place by shunt itself.
func TestWalkthroughOnIPVS(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	walk(t, "gate IPv4", dataplane.Gate, networks["IPv4"], "sorry")
}

func walk(t *testing.T, name string, method dataplane.Forward, n network, fallback string) {
	t.Helper()
	c := newCluster(t, n, method)
	c.walk(name, strings.Replace(kernelCF, "%FALLBACK%", fallback, 1))
}

// walk stops and starts the real servers of a director with file.
func (c *cluster) walk(name, file string) {
	c.t.Helper()
	c.director(file)
	both := []string{"rs1", "rs1", "rs1", "rs1", "rs2", "rs2"}
	c.until(name+", both well", both...)
	c.servers[0].stop()
	c.until(name+", rs1 stopped", six("rs2")...)
	c.servers[1].stop()
	c.until(name+", rs2 stopped", six("sorry")...)
	c.servers[0].start(c.t)
	c.servers[1].start(c.t)
	c.until(name+", both back", both...)
}

func six(s string) []string { return slices.Repeat([]string{s}, 6) }

func TestWalkthroughOnIPVSMasq(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		walk(t, "masq IPv4", dataplane.Masq, networks["IPv4"], "sorry")
	}
}

func TestWalkthroughOnIPVSTunnel(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		walk(t, "ipip IPv4", dataplane.IPIP, networks["IPv4"], "sorry")
	}
}

func TestWalkthroughOnIPVS6(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		walk(t, "gate IPv6", dataplane.Gate, networks["IPv6"], "sorry")
	}
}

// The classical fallback, where nobody listens but shunt.
func TestClassicalFallbackOnIPVS(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		walk(t, "fallback=127.0.0.1:80 gate", dataplane.Gate, networks["IPv4"], "127.0.0.1:80 gate")
	}
}
