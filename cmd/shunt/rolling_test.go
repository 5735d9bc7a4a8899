package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// rollingServers are the real servers of a rolling deploy.
const rollingServers = 10

// startScript starts one, in a session of its own: Debian's nginx writes the pid file
// before its daemon has left the script's process group, which ends with the script.
const startScript = `
start() {
	setsid nginx -c %[3]s/$1/nginx.conf -p %[3]s/$1 -e stderr
	while ! [ -s %[3]s/$1/pid ]; do sleep 0.02; done
}
`

// startAllScript starts all.
const startAllScript = startScript + `for n in $(seq 1 %[4]d); do start $n; done`

// deployScript is what a deploy does with each real server: it stops it without mercy
// when shunt says that nobody uses it.
const deployScript = startScript + `
for n in $(seq 1 %[4]d); do
	%[1]s drain 192.168.80.$n:80 --virtual www --reason "deploy 4711" --wait 30s --control %[2]s
	pid=$(cat %[3]s/$n/pid)
	kill -TERM $pid
	while kill -0 $pid 2>/dev/null; do sleep 0.02; done
	start $n
	%[1]s ready 192.168.80.$n:80 --wait 30s --control %[2]s
done
`

// rollingNginx is the configuration of one of them. It ends connections that its clients
// keep open, so that a drain has an end. Its log says who has sent it which signal.
const rollingNginx = `daemon on; pid %[1]s/pid; error_log %[1]s/log notice; user root; worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f;
  uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s; keepalive_timeout 1s; keepalive_time 1s;
  server { listen 192.168.80.%[2]d:80; root %[1]s/html; }
}`

// A rollingFixture has a client, a director with a VIP, and a machine with all real
// servers, each on an address of its own.
type rollingFixture struct {
	t                    *testing.T
	client, director, in *netlab.Namespace
	dir                  string
	served               [rollingServers + 1]atomic.Uint64 // requests, by real server
	failed               atomic.Uint64
	first                atomic.Pointer[string] // failure
}

func newRollingFixture(t *testing.T) *rollingFixture {
	need.Programs(t, "nginx")
	f := &rollingFixture{t: t, dir: t.TempDir()}
	lab := netlab.Test(t)
	for name, n := range map[string]**netlab.Namespace{"client": &f.client, "director": &f.director, "real": &f.in} {
		var err error
		if *n, err = lab.Namespace(name); err != nil {
			t.Fatal(err)
		}
	}
	addr := func(text string) netip.Prefix { return netip.MustParsePrefix(text) }
	var addrs []netip.Prefix
	for n := range rollingServers {
		addrs = append(addrs, addr(fmt.Sprintf("192.168.80.%d/24", n+1)))
	}
	if err := lab.Connect(
		netlab.End{In: f.client, Link: "eth0", Addrs: []netip.Prefix{addr("10.0.0.50/24")}},
		netlab.End{In: f.director, Link: "eth0", Addrs: []netip.Prefix{addr("10.0.0.100/24")}}); err != nil {
		t.Fatal(err)
	}
	if err := lab.Connect(
		netlab.End{In: f.director, Link: "eth1", Addrs: []netip.Prefix{addr("192.168.80.200/24")}},
		netlab.End{In: f.in, Link: "eth0", Addrs: addrs}); err != nil {
		t.Fatal(err)
	}
	return f
}

// startAll starts all real servers, and ends those that run at the end.
func (f *rollingFixture) startAll() {
	f.t.Helper()
	for n := 1; n <= rollingServers; n++ {
		dir := filepath.Join(f.dir, strconv.Itoa(n))
		if err := os.MkdirAll(filepath.Join(dir, "html"), 0o755); err != nil {
			f.t.Fatal(err)
		}
		write(f.t, filepath.Join(dir, "html", "index.html"), fmt.Sprintf("real %d\n", n))
		write(f.t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(rollingNginx, dir, n))
		f.t.Cleanup(func() {
			if f.t.Failed() {
				text, err := os.ReadFile(filepath.Join(dir, "log"))
				f.t.Logf("real server %d: %v\n%s", n, err, text)
			}
		})
	}
	f.script(startAllScript, "")
	for n := 1; n <= rollingServers; n++ {
		f.t.Cleanup(func() { endByFile(f.t, filepath.Join(f.dir, strconv.Itoa(n), "pid")) })
	}
}

// script runs one of the scripts to its end and returns what it prints.
func (f *rollingFixture) script(text, control string) string {
	f.t.Helper()
	return f.run("sh", "-euc", fmt.Sprintf("true %[1]s %[2]s\n"+text, shuntBinary, control, f.dir, rollingServers))
}

// endByFile ends the program whose number is in a file.
func endByFile(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%v: a real server is not running", err)
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		err = unix.Kill(pid, unix.SIGTERM)
	}
	if err != nil {
		t.Error(err)
		return
	}
	wait.Until(t, "nginx has ended", func() bool { return unix.Kill(pid, 0) != nil })
}

// run runs a program on the machine of the real servers to its end and returns what it
// prints.
func (f *rollingFixture) run(name string, args ...string) string {
	f.t.Helper()
	out, err := os.CreateTemp(f.dir, "out") // a pipe would be held open by nginx
	if err != nil {
		f.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	p, err := f.in.Start(cmd)
	if err == nil {
		err = p.Wait()
	}
	text, unread := os.ReadFile(out.Name())
	if err != nil || unread != nil {
		f.t.Fatalf("%s: %v\n%s", name, errors.Join(err, unread), text)
	}
	return string(text)
}

// ask makes requests until the context is done, with a connection for each or one that
// is kept.
func (f *rollingFixture) ask(ctx context.Context, keep bool) {
	transport := &http.Transport{DisableKeepAlives: !keep, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return f.client.Dial(ctx, network, addr)
	}}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: 30 * time.Second}
	for ctx.Err() == nil {
		n, err := f.request(&client)
		if err != nil {
			f.failed.Add(1)
			f.first.CompareAndSwap(nil, new(err.Error()))
		} else {
			f.served[n].Add(1)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// request returns which real server has answered.
func (f *rollingFixture) request(client *http.Client) (n int, err error) {
	resp, err := client.Get("http://10.0.0.100/")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(string(body), "real %d", &n); err != nil || n < 1 || n > rollingServers {
		return 0, fmt.Errorf("status %s: %q", resp.Status, body)
	}
	return n, nil
}

// TestRollingDeploy: ten real servers are replaced one after the other by a script,
// while 200 clients ask. Not one request fails, because a server stops only when
// `shunt drain --wait` has said that nobody uses it.
func TestRollingDeploy(t *testing.T) {
	f := newRollingFixture(t)
	f.startAll()
	config := "checkinterval=1\nquiescent=no\nvirtual=10.0.0.100:80\n\tservicename=www\n"
	for n := 1; n <= rollingServers; n++ {
		config += fmt.Sprintf("\treal=192.168.80.%d:80 masq\n", n)
	}
	file, control := filepath.Join(f.dir, "ldirectord.cf"), filepath.Join(f.dir, "control.sock")
	write(t, file, config+"\tservice=http\n\tscheduler=wlc\n\tprotocol=tcp\n\tchecktype=connect\n")
	cmd := exec.Command(shuntBinary, "run", "--config", file, "--control", control, "--state", filepath.Join(f.dir, "state"), "--dataplane", "proxy", "--admin", "")
	cmd.Stderr = os.Stderr
	p, err := f.director.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: f.client.Dial}, Timeout: 30 * time.Second}
	wait.Until(t, "a real server answers", func() bool { _, err := f.request(&client); return err == nil })

	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range 200 {
		clients.Go(func() { f.ask(ctx, i%4 == 0) })
	}
	begin := time.Now()
	out := f.script(deployScript, control)
	took := time.Since(begin)
	cancel()
	clients.Wait()

	var all uint64
	for n := 1; n <= rollingServers; n++ {
		served := f.served[n].Load()
		if all += served; served == 0 {
			t.Errorf("real server %d has served nobody", n)
		}
	}
	t.Logf("%d requests in %v, %d failed", all, took, f.failed.Load())
	if n := f.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the first one: %s\n%s", n, all, *f.first.Load(), out)
	}
	if n := strings.Count(out, "ended after"); n != 2*rollingServers {
		t.Errorf("%d waits have ended, want %d:\n%s", n, 2*rollingServers, out)
	}
	p.Stop()
	if err := p.Wait(); err != nil {
		t.Errorf("shunt: %v", err)
	}
}
