package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// The PROXY protocol is spoken here with those who have invented it and those
// who are met most.

// peer starts a program with its configuration in a file, which stands in args
// as CONFIG, and waits until something listens at addr.
func peer(t *testing.T, addr netip.AddrPort, config, name string, args ...string) {
	t.Helper()
	path := need.Program(t, name)
	dir := t.TempDir()
	file := filepath.Join(dir, "peer.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.NewReplacer("CONFIG", file, "DIR", dir).Replace(args[i])
	}
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	said := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, said)
		}
	})
	wait.Until(t, name+" listens", func() bool {
		c, err := net.Dial("tcp", addr.String())
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func haproxy(t *testing.T, addr netip.AddrPort, section string) {
	t.Helper()
	peer(t, addr, "defaults\n timeout client 20s\n timeout server 20s\n timeout connect 5s\n"+section, "haproxy", "-db", "-f", "CONFIG")
}

func nginx(t *testing.T, addr netip.AddrPort, block string) {
	t.Helper()
	module := ""
	if stream := "/usr/lib/nginx/modules/ngx_stream_module.so"; strings.Contains(block, "stream") {
		if _, err := os.Stat(stream); err == nil {
			module = "load_module " + stream + ";\n"
		}
	}
	peer(t, addr, module+"daemon off; master_process off; pid DIR/pid; error_log stderr warn;\nevents {}\n"+block,
		"nginx", "-p", "DIR", "-c", "CONFIG", "-e", "DIR/error.log")
}

// receivers are real servers that want a header and answer HTTP requests with
// whom it names.
var receivers = map[string]func(t *testing.T, addr netip.AddrPort){
	"haproxy": func(t *testing.T, addr netip.AddrPort) {
		haproxy(t, addr, fmt.Sprintf(`
frontend f
 mode http
 bind %v accept-proxy
 http-request return status 200 content-type text/plain lf-string "%%[src] %%[src_port] %%[dst] %%[dst_port]"
`, addr))
	},
	"nginx": func(t *testing.T, addr netip.AddrPort) {
		nginx(t, addr, fmt.Sprintf(`http {
 access_log off;
 server {
  listen %v proxy_protocol;
  location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port"; }
 }
}`, addr))
	},
}

func words(from, to netip.AddrPort) string {
	return fmt.Sprintf("%v %d %v %d", from.Addr(), from.Port(), to.Addr(), to.Port())
}

// TestReceivers has the proxy, and the checks of real servers, speak to them.
func TestReceivers(t *testing.T) {
	for name, start := range receivers {
		for _, host := range []string{"127.0.0.1", "::1"} {
			t.Run(name+" "+host, func(t *testing.T) {
				addr := process.FreeAddrAt(t, host)
				start(t, addr)
				for _, version := range []int{1, 2} {
					for _, at := range []string{"127.0.0.1", "::1"} {
						wantTold(t, version, at, addr)
					}
					wantWell(t, version, addr)
				}
				if err := check(t, "http", checks.Target{Addr: addr, Request: "/"}); err == nil {
					t.Error("a check without a header succeeds")
				}
			})
		}
	}
}

// wantTold checks that the real server knows a client of a service at host.
func wantTold(t *testing.T, version int, host string, real netip.AddrPort) {
	t.Helper()
	d := newPlane(t, proxy.Options{})
	v := serviceAt(dataplane.TCP, process.FreeAddrAt(t, host), real)
	v.ProxyProtocol = version
	apply(t, d, v)
	c := dial(t, v)
	if got := page(t, c); got != words(addrOf(c), v.ID.Addr) {
		t.Errorf("version %d at %s: the real server sees %q, want %q", version, host, got, words(addrOf(c), v.ID.Addr))
	}
}

func addrOf(c *net.TCPConn) netip.AddrPort { return c.LocalAddr().(*net.TCPAddr).AddrPort() }

// page asks for one by HTTP and returns what is in it.
func page(t *testing.T, c net.Conn) string {
	t.Helper()
	send(t, c, "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
	b, err := io.ReadAll(c)
	_, body, ok := strings.Cut(string(b), "\r\n\r\n")
	if !ok || err != nil {
		t.Errorf("answer %q (%v)", b, err)
	}
	return strings.TrimSpace(body)
}

func check(t *testing.T, name string, target checks.Target) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	f, ok := checks.For(name)
	if !ok {
		t.Fatalf("no check %s", name)
	}
	return f(ctx, target)
}

func wantWell(t *testing.T, version int, addr netip.AddrPort) {
	t.Helper()
	for _, name := range []string{"connect", "http", "simpletcp"} {
		target := checks.Target{Addr: addr, Request: "/", ProxyProtocol: version}
		if name == "simpletcp" {
			target.Request = `/GET / HTTP/1.0\n\n`
		}
		if err := check(t, name, target); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// TestSenders has trusted proxies name their clients to the proxy.
func TestSenders(t *testing.T) {
	senders := map[string]func(t *testing.T, at, to netip.AddrPort){
		"haproxy v1": func(t *testing.T, at, to netip.AddrPort) {
			haproxy(t, at, fmt.Sprintf("listen l\n mode tcp\n bind %v\n server s %v send-proxy\n", at, to))
		},
		"haproxy v2": func(t *testing.T, at, to netip.AddrPort) {
			haproxy(t, at, fmt.Sprintf("listen l\n mode tcp\n bind %v\n server s %v send-proxy-v2 proxy-v2-options crc32c,unique-id\n unique-id-format %%ci\n", at, to))
		},
		"nginx": func(t *testing.T, at, to netip.AddrPort) {
			nginx(t, at, fmt.Sprintf("stream { server { listen %v; proxy_pass %v; proxy_protocol on; } }", at, to))
		},
		"shunt v1": func(t *testing.T, at, to netip.AddrPort) { forward(t, 1, at, to) },
		"shunt v2": func(t *testing.T, at, to netip.AddrPort) { forward(t, 2, at, to) },
	}
	for name, start := range senders {
		for _, host := range []string{"127.0.0.1", "::1"} {
			t.Run(name+" "+host, func(t *testing.T) {
				d, v := trusting(t, "127.0.0.1")
				at := process.FreeAddrAt(t, host)
				start(t, at, v.ID.Addr)
				was := status(t, d).Counters.MissingProxyHeader
				c := dial(t, serviceAt(dataplane.TCP, at))
				send(t, c, "payload")
				wantStart(t, c, addrOf(c).String()+" to "+at.String()+"\npayload")
				if n := status(t, d).Counters.MissingProxyHeader - was; n != 0 {
					t.Errorf("%d clients had no PROXY header", n)
				}
			})
		}
	}
}

// forward is another shunt.
func forward(t *testing.T, version int, at, to netip.AddrPort) {
	t.Helper()
	d := newPlane(t, proxy.Options{})
	v := serviceAt(dataplane.TCP, at, to)
	v.ProxyProtocol = version
	apply(t, d, v)
}

// Checks of haproxy are connections of its own.
func TestCheckedByHaproxy(t *testing.T) {
	for _, send := range []string{"send-proxy", "send-proxy-v2"} {
		d := newPlane(t, proxy.Options{})
		v := tcpService(t, tcpServer(t, "127.0.0.1", greets(t)))
		v.ProxyProtocol, v.TrustedProxies = 2, loopback
		apply(t, d, v)
		at := process.FreeAddr(t)
		haproxy(t, at, fmt.Sprintf("listen l\n mode tcp\n bind %v\n option tcp-check\n tcp-check expect string 127.0.0.1\n server s %v %s check inter 50ms\n",
			at, v.ID.Addr, send))
		wait.Until(t, "checks of "+send+" have come through", func() bool { return status(t, d).Counters.Connections > 3 })
		if n := status(t, d).Counters.MissingProxyHeader; n != 0 {
			t.Errorf("%s: %d had no PROXY header", send, n)
		}
	}
}
