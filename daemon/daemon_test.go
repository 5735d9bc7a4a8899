package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// asChild runs instead of the tests where a test has started this program as
// a child.
var asChild = func() {}

func TestMain(m *testing.M) {
	asChild()
	leak.Main(m)
}

// echo is a real server that sends back what it gets, line by line.
func echo(t *testing.T) string {
	t.Helper()
	return server(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

// server is a real server that gives each connection to serve, and closes it
// after that.
func server(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return ln.Addr().String()
}

type fixture struct {
	*Daemon
	t    *testing.T
	dir  string
	file string
	vip  string
}

// set writes a configuration with %VIP% and %REAL% filled in, beside some folders, and
// starts a daemon on it.
func set(t *testing.T, text string, folders ...string) *fixture {
	t.Helper()
	return setOn(t, onProxy, text, folders...)
}

func setOn(t *testing.T, plane, text string, folders ...string) *fixture {
	t.Helper()
	b := &fixture{t: t, dir: t.TempDir(), vip: process.FreeAddr(t).String()}
	b.file = filepath.Join(b.dir, "test.cf")
	for _, folder := range folders {
		mustDo(t, os.Mkdir(filepath.Join(b.dir, folder), 0o755))
	}
	b.write(strings.NewReplacer("%VIP%", b.vip, "%REAL%", echo(t), "%DIR%", b.dir).Replace(text))
	b.Daemon = New(Options{
		Config: b.file, Admin: "127.0.0.1:0", Control: []string{filepath.Join(b.dir, "run", "control.sock")},
		Dataplane: plane, LogFormat: "text", LogLevel: slog.LevelError,
	})
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *fixture) write(text string) {
	b.t.Helper()
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// connect waits until a connection through the service echoes, and returns it.
func (b *fixture) connect() net.Conn {
	b.t.Helper()
	var c net.Conn
	_ = wait.For(b.t, "a connection echoes", func() (err error, ok bool) {
		if c, err = net.Dial("tcp", b.vip); err != nil {
			return err, false
		}
		if err = exchange(c); err != nil {
			c.Close()
		}
		return err, err == nil
	})
	return c
}

func exchange(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintln(c, "hello"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "hello\n" {
		err = fmt.Errorf("got %q", line)
	}
	return err
}

const service = `checkinterval = 1
virtual = %VIP%
	real = %REAL% masq
	checktype = connect
`

// cleanstop=yes: connections are cut when the director stops.
func TestStopCuts(t *testing.T) {
	b := set(t, service)
	c := b.connect()
	defer c.Close()
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := exchange(c); err == nil {
		t.Error("the connection still works")
	}
}

// cleanstop=no: connections may end, no new one is taken, and the stop waits.
func TestStopDrains(t *testing.T) {
	b := set(t, "cleanstop = no\ndraintimeout = 60\n"+service)
	c := b.connect()
	stopped := make(chan error, 1)
	go func() { stopped <- b.Stop(context.Background()) }()
	wait.Until(t, "new connections are refused", func() bool {
		probe, err := net.Dial("tcp", b.vip)
		if err == nil {
			probe.Close()
		}
		return err != nil
	})
	if err := exchange(c); err != nil {
		t.Errorf("the connection was cut: %v", err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a connection open: %v", err)
	default:
	}
	c.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A stop that waits for connections is cut short by its context.
func TestStopIsCutShort(t *testing.T) {
	b := set(t, "cleanstop = no\ndraintimeout = 600\n"+service)
	c := b.connect()
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = b.Stop(ctx)
	if err := exchange(c); err == nil {
		t.Error("the connection still works")
	}
}

// A configuration that cannot be run leaves nothing behind.
func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "test.cf")
	if err := os.WriteFile(file, []byte("virtual = 127.0.0.1:1\n\tscheduler = xx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := New(Options{Config: file, Control: []string{filepath.Join(dir, "c.sock")}, Dataplane: "proxy", LogFormat: "text", LogLevel: slog.LevelError})
	err := d.Start(t.Context())
	if ps, ok := errors.AsType[config.Problems](err); !ok || ps[len(ps)-1].Pos.Line != 2 {
		t.Errorf("start: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "c.sock")); err == nil {
		t.Error("the control socket is still there")
	}
}

// A reload follows with log, sorry page and services; a bad one with nothing.
func TestReload(t *testing.T) {
	b := set(t, service)
	b.connect().Close()
	client := admin.Dial(filepath.Join(b.dir, "run", "control.sock"))
	page := filepath.Join(b.dir, "page.html")
	if err := os.WriteFile(page, []byte("be patient"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.write(strings.NewReplacer("%VIP%", b.vip, "%PAGE%", page, "%LOG%", filepath.Join(b.dir, "log")).Replace(
		"logfile = \"%LOG%\"\nvirtual = %VIP%\n\tservice = http\n\tfallback = sorry\n\tsorrypage = %PAGE%\n"))
	if _, err := client.Reload(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if body := get(t, b.vip); !strings.Contains(body, "be patient") {
		t.Errorf("the sorry page is %q", body)
	}
	b.write("virtual = nonsense\n")
	if _, err := client.Reload(t.Context(), false); err == nil || !strings.Contains(err.Error(), "test.cf:1:") {
		t.Errorf("bad file: %v", err)
	}
	if body := get(t, b.vip); !strings.Contains(body, "be patient") {
		t.Errorf("after a bad reload the sorry page is %q", body)
	}
	if log, err := os.ReadFile(filepath.Join(b.dir, "log")); err != nil || !strings.Contains(string(log), "configuration is refused") {
		t.Errorf("log %q, %v", log, err)
	}
}

// get returns the sorry page, for which it waits: the dataplane follows a reload a
// moment later.
func get(t *testing.T, addr string) string {
	t.Helper()
	return wait.For(t, "the sorry page", func() (string, bool) {
		body := request(addr)
		return body, strings.Contains(body, "503")
	})
}

// request returns the answer to one HTTP request, "" if there is none.
func request(addr string) string {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = fmt.Fprintf(c, "GET / HTTP/1.0\r\n\r\n")
	text, _ := io.ReadAll(c)
	return string(text)
}

// notified has this process told a service manager how things stand. The
// function it returns waits for a message that begins with want, and fails the
// test if one comes before that begins with not.
func notified(t *testing.T) (hear func(want, not string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	pc, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func(want, not string) {
		t.Helper()
		buf := make([]byte, 4096)
		_ = pc.SetDeadline(time.Now().Add(60 * time.Second))
		for {
			n, _, err := pc.ReadFrom(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if not != "" && strings.HasPrefix(string(buf[:n]), not) {
				t.Fatalf("told %q before %s", buf[:n], want)
			}
			if strings.HasPrefix(string(buf[:n]), want) {
				return
			}
		}
	}
}

// The service manager hears of readiness, reloads, the watchdog and the end.
func TestNotify(t *testing.T) {
	hear := notified(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	b := set(t, service)
	hear("READY=1\nSTATUS=", "RELOADING=1")
	if c, err := net.Dial("tcp", b.vip); err != nil || exchange(c) != nil { // nobody has to try twice
		t.Errorf("not served: %v", err)
	} else {
		c.Close()
	}
	hear("WATCHDOG=1", "")
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	hear("RELOADING=1\nMONOTONIC_USEC=", "")
	hear("READY=1", "")
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	hear("STOPPING=1", "")
}

// Passwords in a file that everybody may read are worth a warning.
func TestReadablePassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.cf")
	for _, line := range []string{`passwd = "s3cret"`, `check = redis port=6379 passwd="s3cret"`} {
		readablePassword(t, file, []byte("virtual = 127.0.0.1:80\n\t"+line+"\n\treal = 127.0.0.2:80 masq\n"))
	}
}

func readablePassword(t *testing.T, file string, text []byte) {
	t.Helper()
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 1, 0o604: 1} {
		if err := os.WriteFile(file, text, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		conf, err := Check(t.Context(), config.NewSource(file, text), config.Options{}, "proxy")
		if err != nil {
			t.Fatal(err)
		}
		if len(conf.Warnings) != want || want == 1 && conf.Warnings[0].Pos.Line != 2 {
			t.Errorf("mode %o: %v", mode, conf.Warnings)
		}
		var b strings.Builder
		if err := config.Report(&b, conf.Warnings); err != nil || strings.Contains(b.String(), "s3cret") {
			t.Errorf("the password is in %s, %v", b.String(), err)
		}
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:9910": false, "127.8.8.8:1": false, "[::1]:9910": false,
		"0.0.0.0:9910": true, "[::]:9910": true, "192.0.2.1:9910": true, "[fe80::1]:9910": true,
	} {
		if got := reachable(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
}
