package daemon

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// TestTransparent: a real server behind a whole shunt sees its client, by the
// configuration alone, and nothing of that is left when shunt stops.
func TestTransparent(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	client, server := neighbours(t)
	ln, err := server.Listen("tcp", "10.2.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(c, "%s\n", c.RemoteAddr().(*net.TCPAddr).IP)
			_ = c.Close()
		}
	}()
	file := filepath.Join(t.TempDir(), "test.cf")
	write := func(transparent string) {
		text := "virtual=10.1.0.1:80\n    real=10.2.0.2:80 masq\n    checktype=connect\n    checkinterval=1\n    transparent=" + transparent + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("yes")
	d := New(Options{Config: file, Dataplane: "proxy", LogFormat: "text", LogLevel: slog.LevelError})
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSeen(t, client, "10.1.0.2")
	write("no")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSeen(t, client, "10.2.0.1")
	if n := returnRules(t); n != 0 {
		t.Errorf("%d rules for nobody", n)
	}
	write("yes")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSeen(t, client, "10.1.0.2")
	if err := d.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if n := returnRules(t); n != 0 {
		t.Errorf("%d rules are left", n)
	}
}

// neighbours are machines on either side of this one, which is the way between
// them.
func neighbours(t *testing.T) (client, server *netlab.Namespace) {
	t.Helper()
	lab := netlab.Test(t)
	here, err := lab.Here("director")
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []**netlab.Namespace{&client, &server} {
		if *n, err = lab.Namespace("neighbour"); err != nil {
			t.Fatal(err)
		}
		ours := netip.MustParsePrefix(fmt.Sprintf("10.%d.0.1/24", i+1))
		theirs := netip.PrefixFrom(ours.Addr().Next(), 24)
		if err := lab.Connect(
			netlab.End{In: *n, Link: "eth0", Addrs: []netip.Prefix{theirs}},
			netlab.End{In: here, Link: fmt.Sprintf("to%d", i), Addrs: []netip.Prefix{ours}},
		); err != nil {
			t.Fatal(err)
		}
		if err := (*n).Gateway(ours.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	return client, server
}

// wantSeen waits until the real server sees the client as it should.
func wantSeen(t *testing.T, client *netlab.Namespace, want string) {
	t.Helper()
	wait.For(t, "the real server sees "+want, func() (string, bool) {
		c, err := client.Dial(t.Context(), "tcp", "10.1.0.1:80")
		if err != nil {
			return err.Error(), false
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		b := make([]byte, 100)
		n, _ := c.Read(b)
		got := strings.TrimSpace(string(b[:n]))
		return got, got == want
	})
}

func returnRules(t *testing.T) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ip", "rule").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(out), "5300")
}
