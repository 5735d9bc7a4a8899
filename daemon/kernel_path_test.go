//go:build kernel

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

const pathCF = `checktimeout=3
checkinterval=1
managesysctl=yes
interface=eth0
checkpath=vip
%VIRTUAL%=%VIP%:80
	%REAL%=%RS1% %METHOD%
	%REAL%=%RS2% %METHOD%
	service=http
	request="/"
`

// Checks by the VIP in a whole daemon: faults of a real server that its own
// address does not show take it out of use, with a reason.
func TestCheckPathOnIPVS(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		newCluster(t, networks["IPv4"], dataplane.Gate).faultsByVIP()
	}
}

func TestCheckPathOnIPVSTunnel(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		newCluster(t, networks["IPv4"], dataplane.IPIP).faultsByVIP()
	}
}

func TestCheckPathOnIPVS6(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		newCluster(t, networks["IPv6"], dataplane.Gate).faultsByVIP()
	}
}

func TestCheckPathOnIPVSTunnel6(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		newCluster(t, networks["IPv6"], dataplane.IPIP).faultsByVIP()
	}
}

// faultsByVIP breaks a real server in one way after the other.
func (c *cluster) faultsByVIP() {
	c.t.Helper()
	d := c.director(pathCF)
	c.ready(d)
	c.first(d, "all well", "up", "")
	if n := len(pathsInKernel(c.t)); n != 2 {
		c.t.Errorf("%d paths in the kernel's table, want 2:\n%s", n, kernelTable(c.t))
	}
	rs1 := c.servers[0]
	rs1.stop()
	rs1.listen(c.t, netip.AddrPortFrom(rs1.addr, 80).String())
	c.first(d, "listening on its own address alone", "down", "the service there does not listen on the VIP")
	rs1.stop()
	rs1.start(c.t)
	c.first(d, "listening on all again", "up", "")
	back := c.withdraw(rs1)
	c.first(d, "without the VIP", "down", "the VIP is not on that real server")
	c.must(rs1.in.Do(back))
	c.first(d, "with the VIP again", "up", "")

	s, err := d.Status(c.t.Context())
	c.must(err)
	if len(s.Services) != 1 || s.Dataplane.Repairs != 0 || len(s.Services[0].Changed) != 0 {
		c.t.Errorf("services %d, repairs %d, changed %q: want 1 service that nobody changed", len(s.Services), s.Dataplane.Repairs, s.Services[0].Changed)
	}
	c.must(d.Stop(c.t.Context()))
	if left := pathsInKernel(c.t); len(left) > 0 {
		c.t.Errorf("after a stop %q are left", left)
	}
}

// A real server whose web server has another virtual host for the VIP than for its
// own address is found by the whole check, which the direct one does not show.
func TestWrongVirtualHostOnIPVS(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		newCluster(t, networks["IPv4"], dataplane.Gate).wrongVirtualHost()
	}
}

func TestWrongVirtualHostOnIPVSTunnel6(t *testing.T) {
	t.Parallel()
	if netlab.Inside(t) {
		newCluster(t, networks["IPv6"], dataplane.IPIP).wrongVirtualHost()
	}
}

func (c *cluster) wrongVirtualHost() {
	c.t.Helper()
	d := c.director(pathCF + "\treceive=\"^rs[12]$\"\n")
	c.ready(d)
	c.first(d, "all well", "up", "")
	rs1 := c.servers[0]
	other := c.otherOnVIP(rs1)
	c.first(d, "another page on the VIP", "down", "another service answers on the VIP, or another virtual host")
	s, err := d.Status(c.t.Context())
	c.must(err)
	if got := s.Services[0].Servers[0]; got.Reason != checks.Mismatch || !strings.HasPrefix(got.Result, "vip "+netip.AddrPortFrom(c.vip, 80).String()+": http ") {
		c.t.Errorf("reason %s, result %q: want a mismatch of http on the VIP", got.Reason, got.Result)
	}
	other.stop()
	rs1.stop()
	rs1.start(c.t)
	c.first(d, "the same page again", "up", "")
}

// otherOnVIP has a real server show its page on its own address alone, and another
// one on the VIP.
func (c *cluster) otherOnVIP(rs *realServer) (other *realServer) {
	c.t.Helper()
	rs.stop()
	rs.listen(c.t, netip.AddrPortFrom(rs.addr, 80).String())
	other = &realServer{in: rs.in, name: "It works!"}
	other.listen(c.t, netip.AddrPortFrom(c.vip, 80).String())
	return other
}

// A real server that answers ARP for the VIP, and a tunnel that is too narrow for
// what real servers ask for, are warnings about servers that stay up.
func TestWarningsOnIPVS(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.IPIP)
	rs1, rs2 := c.servers[0], c.servers[1]
	for _, link := range []string{"all", "eth0", "lo", "tunl0"} {
		c.must(rs1.in.Sysctl("net.ipv4.conf."+link+".arp_ignore", "0"))
	}
	c.must(rs2.in.Do(func() error { return advertise(1440) }))
	d := c.director(pathCF)
	c.ready(d)
	answers, narrow := "it claims "+c.vip.String(), "hang where ICMP does not tell them"
	c.warned(d, "rs1 claims the VIP, and asks for too much", narrow, answers)
	for _, link := range []string{"all", "eth0", "lo", "tunl0"} {
		c.must(rs1.in.Sysctl("net.ipv4.conf."+link+".arp_ignore", "1"))
	}
	c.warned(d, "rs1 does not answer any more", narrow)
	c.must(rs1.in.Do(func() error { return advertise(1440) }))
	c.warned(d, "rs1 asks for less")
}

// advertise has a machine ask for segments of a size on its link.
func advertise(size int) error {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.Gw == nil && r.Dst != nil {
			r.AdvMSS = size
			return netlink.RouteReplace(&r)
		}
	}
	return errors.New("no route")
}

// warned waits until there are warnings about the first real server, one with each of
// words, and none about the second, while both are up.
func (c *cluster) warned(d *Daemon, event string, words ...string) {
	c.t.Helper()
	has := wait.For(c.t, fmt.Sprintf("%s: warnings %q", event, words), func() ([]string, bool) {
		s, err := d.Status(c.t.Context())
		c.must(err)
		sv := s.Services[0]
		if len(sv.Warnings) > 0 || len(sv.Servers[1].Warnings) > 0 {
			c.t.Fatalf("%s: warnings %q and %q, want none of the service and rs2", event, sv.Warnings, sv.Servers[1].Warnings)
		}
		has := sv.Servers[0].Warnings
		ok := len(has) == len(words) && sv.Servers[0].State == director.Up && sv.Servers[1].State == director.Up
		for i := range words {
			ok = ok && strings.Contains(has[i], words[i])
		}
		return has, ok
	})
	c.t.Logf("%s: %q", event, has)
}

// first waits until the first real server has a state, with words in the latest result,
// while the second stays up.
func (c *cluster) first(d *Daemon, event, state, words string) {
	c.t.Helper()
	what := fmt.Sprintf("%s: the first is %s with %q", event, state, words)
	has := wait.For(c.t, what, func() (director.ServerStatus, bool) {
		s, err := d.Status(c.t.Context())
		c.must(err)
		if other := s.Services[0].Servers[1]; s.Ready && other.State != "up" {
			accept, _ := os.ReadFile("/proc/sys/net/ipv4/conf/eth0/accept_local")
			c.t.Fatalf("%s: the other real server is %s: %s; accept_local %s, transitions %+v", event, other.State, other.Result, accept, s.Transitions)
		}
		has := s.Services[0].Servers[0]
		return has, string(has.State) == state && strings.Contains(has.Result, words)
	})
	c.t.Logf("%s: %s %s", event, has.State, has.Result)
}

// withdraw takes the VIP from a real server. What it returns puts it back.
func (c *cluster) withdraw(s *realServer) (back func() error) {
	c.t.Helper()
	var gone []netlink.Addr
	c.must(s.in.Do(func() error {
		all, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		for _, a := range all {
			if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.Unmap() == c.vip {
				gone = append(gone, a)
				err = errors.Join(err, onLink(&a, netlink.AddrDel))
			}
		}
		return err
	}))
	if len(gone) == 0 {
		c.t.Fatal("the real server has no VIP")
	}
	return func() (err error) {
		for _, a := range gone {
			a.Flags |= unix.IFA_F_NODAD
			err = errors.Join(err, onLink(&a, netlink.AddrAdd))
		}
		return err
	}
}

func onLink(a *netlink.Addr, change func(netlink.Link, *netlink.Addr) error) error {
	link, err := netlink.LinkByIndex(a.LinkIndex)
	if err != nil {
		return err
	}
	return change(link, a)
}

// pathsInKernel are the lines of the kernel's table that are services for paths.
func pathsInKernel(t *testing.T) (lines []string) {
	for line := range strings.Lines(kernelTable(t)) {
		if strings.HasPrefix(line, "FWM 5348") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// TestKilledWithCheckPathOnIPVS: the paths that a killed shunt has left are taken
// over, or removed where nobody wants them any more.
func TestKilledWithCheckPathOnIPVS(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.Gate)
	file := filepath.Join(t.TempDir(), "ldirectord.cf")
	more := pathCF + "\t%REAL%=10.0.0.130:80 %METHOD%\n" // does not exist
	c.must(os.WriteFile(file, []byte(c.fill(more)), 0o600))
	child := exec.CommandContext(t.Context(), "/proc/self/exe")
	child.Env = append(os.Environ(), childEnv+"="+file)
	child.Stderr = os.Stderr
	c.must(child.Start())
	c.until("start", "rs1", "rs1", "rs1", "rs2", "rs2", "rs2")
	before := pathsInKernel(t)
	c.must(child.Process.Signal(unix.SIGKILL))
	_ = child.Wait()
	if left := pathsInKernel(t); len(before) != 3 || len(left) != 3 {
		t.Fatalf("paths %q, of a killed one %q, want 3", before, left)
	}

	c.must(os.WriteFile(file, []byte(c.fill(pathCF)), 0o600))
	d := New(Options{Config: file, Dataplane: "ipvs", LogFormat: "text", LogLevel: slog.LevelWarn})
	c.must(d.Start(t.Context()))
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	c.ready(d)
	c.first(d, "the next one", "up", "")
	if after := pathsInKernel(t); len(after) != 2 || !strings.Contains(strings.Join(before, "\n"), after[0]) || !strings.Contains(strings.Join(before, "\n"), after[1]) {
		t.Errorf("paths %q of the killed one, %q of the next, want two of the same", before, after)
	}
	c.must(d.Stop(t.Context()))
	if left := pathsInKernel(t); len(left) > 0 {
		t.Errorf("after a stop %q are left", left)
	}
}
