package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// walkthroughCF is the configuration of the guides, for a director that has
// no IPVS: the sorry server is its own.
const walkthroughCF = `checktimeout=3
checkinterval=1
autoreload=yes
quiescent=no
virtual=10.0.0.100:80
	real=192.168.80.110:80 gate 2
	real=192.168.80.120:80 gate 1
	fallback=sorry
	service=http
	scheduler=wrr
	protocol=tcp
	checktype=negotiate
	checkport=80
	request="index.html"
`

// A walkthroughFixture is the network of the guides: a client, a router, a director
// with the VIP, and two real servers with nginx.
//
//	client 192.168.10.50 -- router -- 10.0.0.10 director, VIP 10.0.0.100
//	                                  192.168.80.10 director
//	                                  192.168.80.110 nginx, weight 2
//	                                  192.168.80.120 nginx, weight 1
type walkthroughFixture struct {
	t                *testing.T
	client, director *netlab.Namespace
	servers          map[string]*webServer
	dir              string
}

func newWalkthroughFixture(t *testing.T) *walkthroughFixture {
	c := &walkthroughFixture{t: t, dir: t.TempDir(), servers: map[string]*webServer{}}
	lab := netlab.Test(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	machine := func(name string) *netlab.Namespace {
		n, err := lab.Namespace(name)
		must(err)
		return n
	}
	end := func(n *netlab.Namespace, link, addr string) netlab.End {
		return netlab.End{In: n, Link: link, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}}
	}
	c.client, c.director = machine("client"), machine("director")
	router, rs1, rs2 := machine("router"), machine("rs1"), machine("rs2")
	must(lab.Connect(end(c.client, "eth0", "192.168.10.50/24"), end(router, "eth0", "192.168.10.1/24")))
	must(lab.Connect(end(router, "eth1", "10.0.0.1/24"), end(c.director, "eth0", "10.0.0.10/24")))
	_, err := lab.Bridge("lan", end(c.director, "eth1", "192.168.80.10/24"), end(rs1, "eth0", "192.168.80.110/24"), end(rs2, "eth0", "192.168.80.120/24"))
	must(err)
	must(router.Forward())
	must(c.client.Gateway(netip.MustParseAddr("192.168.10.1")))
	must(c.director.Gateway(netip.MustParseAddr("10.0.0.1")))
	must(c.director.AddVIP("eth0", netip.MustParseAddr("10.0.0.100")))
	c.servers["rs1"] = &webServer{t: t, in: rs1, name: "rs1", dir: filepath.Join(c.dir, "rs1")}
	c.servers["rs2"] = &webServer{t: t, in: rs2, name: "rs2", dir: filepath.Join(c.dir, "rs2")}
	return c
}

// A webServer is Debian's nginx in a namespace.
type webServer struct {
	t         *testing.T
	in        *netlab.Namespace
	name, dir string
	process   *netlab.Process
}

func (w *webServer) start() {
	w.t.Helper()
	conf := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log stderr crit; user root; worker_processes 1;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f;
  uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen 80; root %[1]s/html; }
}`, w.dir)
	if err := os.MkdirAll(filepath.Join(w.dir, "html"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	write(w.t, filepath.Join(w.dir, "html", "index.html"), w.name+"\n")
	write(w.t, filepath.Join(w.dir, "nginx.conf"), conf)
	cmd := exec.Command("nginx", "-c", filepath.Join(w.dir, "nginx.conf"), "-p", w.dir, "-e", "stderr")
	cmd.Stderr = os.Stderr
	var err error
	if w.process, err = w.in.Start(cmd); err != nil {
		w.t.Fatal(err)
	}
}

func (w *webServer) stop() { w.process.Stop() }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shunt starts the program in the director's namespace.
func (c *walkthroughFixture) shunt(config string) *netlab.Process {
	c.t.Helper()
	cmd := exec.Command(shuntBinary, "run", "--config", config, "--control", filepath.Join(c.dir, "control.sock"), "--log-level", "info")
	cmd.Stderr = os.Stderr
	p, err := c.director.Start(cmd)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// get makes one request from the client to url and returns who answered, and
// how long it took.
func (c *walkthroughFixture) get(url string) (string, time.Duration) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return c.client.Dial(ctx, network, addr)
	}}
	client := http.Client{Transport: transport, Timeout: 30 * time.Second}
	begin := time.Now()
	resp, err := client.Get(url)
	if err != nil {
		return "error: " + err.Error(), time.Since(begin)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "error: " + err.Error(), time.Since(begin)
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return "sorry", time.Since(begin)
	}
	return strings.TrimSpace(string(body)), time.Since(begin)
}

// row makes six requests, none of which may take longer than a real server's
// death may go unnoticed.
func (c *walkthroughFixture) row() []string {
	c.t.Helper()
	var row []string
	for range 6 {
		answer, took := c.get("http://10.0.0.100/")
		if bound := 4 * time.Second; took > bound {
			c.t.Errorf("a request took %v, longer than checkinterval + checktimeout", took)
		}
		row = append(row, answer)
	}
	return row
}

// until waits for the client to see want, in whatever order.
func (c *walkthroughFixture) until(event string, want ...string) {
	c.t.Helper()
	wait.For(c.t, fmt.Sprintf("%s: the client sees %q", event, want), func() ([]string, bool) {
		row := c.row()
		return row, slices.Equal(slices.Sorted(slices.Values(row)), want)
	})
}

func six(s string) []string { return slices.Repeat([]string{s}, 6) }

// The walk through every guide ends with: 2:1, then the one that lives, then
// the sorry page, then 2:1 again.
func TestWalkthrough(t *testing.T) {
	c := newWalkthroughFixture(t)
	both := []string{"rs1", "rs1", "rs1", "rs1", "rs2", "rs2"}
	file := filepath.Join(c.dir, "ldirectord.cf")
	write(t, file, walkthroughCF)
	for _, w := range c.servers {
		w.start()
	}
	p := c.shunt(file)
	c.until("start", both...)
	c.servers["rs1"].stop()
	c.until("rs1 stops", six("rs2")...)
	c.servers["rs2"].stop()
	c.until("rs2 stops", six("sorry")...)
	c.servers["rs1"].start()
	c.servers["rs2"].start()
	c.until("both are back", both...)
	p.Stop()
	if err := p.Wait(); err != nil {
		t.Errorf("shunt: %v", err)
	}
	if answer, _ := c.get("http://10.0.0.100/"); !strings.HasPrefix(answer, "error: ") {
		t.Errorf("after the stop the client still gets %q", answer)
	}
}

// The file of the guide, with all its mistakes, does what its author meant:
// its fallback 127.0.0.1:80, where nobody listens, is the sorry page.
func TestWalkthroughAsPasted(t *testing.T) {
	c := newWalkthroughFixture(t)
	for _, w := range c.servers {
		w.start()
	}
	text, err := os.ReadFile("../../config/testdata/tutorial/walkthrough.cf")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.dir, "ldirectord.cf")
	// The only edit: the log goes to a file of this test.
	write(t, file, strings.Replace(string(text), "/var/log/ldirectord.log", filepath.Join(c.dir, "log"), 1))
	c.shunt(file)
	c.until("start", "rs1", "rs1", "rs1", "rs1", "rs2", "rs2")
	c.servers["rs1"].stop()
	c.servers["rs2"].stop()
	c.until("both stop", six("sorry")...)
}

// Killed and started again, shunt is back within one check.
func TestKilledAndRestarted(t *testing.T) {
	c := newWalkthroughFixture(t)
	for _, w := range c.servers {
		w.start()
	}
	file := filepath.Join(c.dir, "ldirectord.cf")
	write(t, file, walkthroughCF)
	p := c.shunt(file)
	both := []string{"rs1", "rs1", "rs1", "rs1", "rs2", "rs2"}
	c.until("start", both...)
	kill(t, p)
	begin := time.Now()
	c.shunt(file)
	c.until("restart", both...)
	t.Logf("back in service %v after the restart", time.Since(begin))
}

// A bad edit with autoreload=yes leaves traffic alone and is reported
// everywhere; the fix is picked up.
func TestBadEdit(t *testing.T) {
	c := newWalkthroughFixture(t)
	for _, w := range c.servers {
		w.start()
	}
	file := filepath.Join(c.dir, "ldirectord.cf")
	write(t, file, walkthroughCF)
	c.shunt(file)
	both := []string{"rs1", "rs1", "rs1", "rs1", "rs2", "rs2"}
	c.until("start", both...)
	write(t, file, strings.Replace(walkthroughCF, "scheduler=wrr", "persistence=360", 1))
	c.wantStatus("ldirectord.cf:10:2: error: unknown directive `persistence`")
	c.wantMetric("shunt_config_last_reload_successful 0")
	c.until("bad edit", both...)
	write(t, file, strings.Replace(walkthroughCF, "gate 2", "gate 1", 1))
	c.until("fix", "rs1", "rs1", "rs1", "rs2", "rs2", "rs2")
	c.wantMetric("shunt_config_last_reload_successful 1")
}

func (c *walkthroughFixture) wantStatus(want string) {
	c.t.Helper()
	c.poll("shunt status", want, func() string {
		out, err := exec.Command(shuntBinary, "status", "--control", filepath.Join(c.dir, "control.sock")).CombinedOutput()
		return fmt.Sprintf("%s%v", out, err)
	})
}

func (c *walkthroughFixture) wantMetric(want string) {
	c.t.Helper()
	c.poll("/metrics", want, func() string {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return c.director.Dial(ctx, network, addr)
		}}}
		resp, err := client.Get("http://127.0.0.1:9910/metrics")
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	})
}

func (c *walkthroughFixture) poll(what, want string, get func() string) {
	c.t.Helper()
	wait.For(c.t, fmt.Sprintf("%s says %q", what, want), func() (string, bool) {
		got := get()
		return got, strings.Contains(got, want)
	})
}

func kill(t *testing.T, p *netlab.Process) {
	t.Helper()
	if err := unix.Kill(p.Pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
}
