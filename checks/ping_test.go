package checks_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

func pingTarget(addr string) checks.Target {
	return checks.Target{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 80)}
}

// lab is a namespace with a router whose other side is empty: 10.0.0.2 and
// fd00::2 exist, their neighbours do not, and the router knows no way to
// 10.9.0.0/16 and fd09::/64.
func lab(t *testing.T) *netlab.Namespace {
	t.Helper()
	l := netlab.Test(t)
	here := must(l.Namespace("here"))(t)
	besideRouter(t, l, here)
	return here
}

func besideRouter(t *testing.T, l *netlab.Lab, here *netlab.Namespace) {
	t.Helper()
	router := must(l.Namespace("router"))(t)
	prefixes := func(s ...string) (list []netip.Prefix) {
		for _, p := range s {
			list = append(list, netip.MustParsePrefix(p))
		}
		return list
	}
	err := l.Connect(
		netlab.End{In: here, Link: "eth0", Addrs: prefixes("10.0.0.1/16", "fd00::1/64")},
		netlab.End{In: router, Link: "eth0", Addrs: prefixes("10.0.0.2/16", "fd00::2/64")},
	)
	gateways := here.Gateway(netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2"))
	if err := errors.Join(err, gateways, router.Forward()); err != nil {
		t.Fatal(err)
	}
}

func TestPing(t *testing.T) {
	here := lab(t)
	tests := []struct {
		addr     string
		attempts int
		timeout  time.Duration
		err      string
	}{
		{"127.0.0.1", 1, long, ""},
		{"::1", 1, long, ""},
		{"::ffff:127.0.0.1", 1, long, ""},
		{"10.0.0.2", 1, long, ""},
		{"fd00::2", 0, long, ""},
		{"10.0.0.2", 3, long, ""},
		{"10.0.0.3", 1, brief, "ping 10.0.0.3: timed out after 200ms without an answer"},
		{"10.0.0.3", 3, brief, "ping 10.0.0.3: timed out after 200ms without an answer to 3 echo requests"},
		{"fd00::3", 2, brief, "ping fd00::3: timed out after 200ms without an answer to 2 echo requests"},
		{"10.9.0.1", 1, long, "ping 10.9.0.1: network unreachable, says 10.0.0.2"},
		{"10.9.0.1", 3, brief, "ping 10.9.0.1: network unreachable, says 10.0.0.2"},
		{"fd09::1", 1, long, "ping fd09::1: no route to host, says fd00::2"},
		{"fe80::1%nolink", 1, long, "ping fe80::1%nolink: find the link nolink: no such network interface"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.addr, " ", tt.attempts), func(t *testing.T) {
			target := pingTarget(tt.addr)
			target.Attempts = tt.attempts
			err := here.Do(func() error { return run(t, "ping", tt.timeout, target) })
			if got := errText(err); got != tt.err {
				t.Errorf("got  %q\nwant %q", got, tt.err)
			}
		})
	}
}

func TestPingNoRoute(t *testing.T) {
	empty := must(netlab.Test(t).Namespace("empty"))(t)
	for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
		err := empty.Do(func() error { return run(t, "ping", long, pingTarget(addr)) })
		if got, words := errText(err), "ping "+addr+": network is unreachable"; got != words {
			t.Errorf("got  %q\nwant %q", got, words)
		}
	}
}

// Many pings at once share a socket and get their own answers, and the
// requests to a thousand dead hosts that the kernel holds back do not keep the
// others from being sent.
func TestPingMany(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	l := netlab.Test(t)
	besideRouter(t, l, must(l.Here("here"))(t))
	wrong := make(chan string, 1000)
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			alive, limit := i%4 == 0, long
			target := pingTarget("10.0.0.2")
			if !alive {
				limit = 2 * time.Second
				target = pingTarget(fmt.Sprintf("10.0.%d.%d", 1+i/200, 1+i%200))
			}
			if err := run(t, "ping", limit, target); (err == nil) != alive {
				wrong <- errText(err)
			}
		})
	}
	wg.Wait()
	if n := len(wrong); n > 0 {
		t.Errorf("%d of 1000 results are wrong, the first one: %q", n, <-wrong)
	}
}

// drop takes CAP_NET_RAW and CAP_NET_ADMIN from the calling thread.
func drop() error {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(header, &data[0]); err != nil {
		return err
	}
	const rights = 1<<unix.CAP_NET_RAW | 1<<unix.CAP_NET_ADMIN
	data[0].Effective &^= rights
	data[0].Permitted &^= rights
	return unix.Capset(header, &data[0])
}

// unprivileged runs ping on a thread without the right to raw sockets.
func unprivileged(t *testing.T, groups, addr string) (err error) {
	t.Helper()
	ns := must(netlab.Test(t).Namespace("unprivileged"))(t)
	if err := ns.Sysctl("net.ipv4.ping_group_range", groups); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err = enter(ns); err == nil {
			err = drop()
		}
		if err == nil {
			err = run(t, "ping", long, pingTarget(addr))
		}
	})
	wg.Wait()
	return err
}

func enter(ns *netlab.Namespace) error {
	f, err := os.Open(ns.Path())
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
}

func TestPingUnprivileged(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "::1"} {
		if err := unprivileged(t, "0 2147483647", addr); err != nil {
			t.Error(err)
		}
		err := unprivileged(t, "1 0", addr)
		words := "ping " + addr + ": needs CAP_NET_RAW or a group within net.ipv4.ping_group_range: permission denied"
		if got := strings.Replace(errText(err), "operation not permitted", "permission denied", 1); got != words {
			t.Errorf("got  %q\nwant %q", got, words)
		}
	}
}
