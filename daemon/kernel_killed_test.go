//go:build kernel

package daemon

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
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

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/ipvs"
)

// childEnv names the configuration that a child of a test is to run.
const childEnv = "SHUNT_TEST_CHILD"

func init() {
	asChild = func() {
		file := os.Getenv(childEnv)
		if file == "" {
			return
		}
		d := New(Options{Config: file, Dataplane: "ipvs", LogFormat: "text", LogLevel: slog.LevelWarn})
		if err := d.Start(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		select {} // until it is killed
	}
}

// A long is a connection on which requests are made one after the other.
type long struct {
	net.Conn
	in *bufio.Reader
}

func (c *cluster) long() *long {
	c.t.Helper()
	conn, err := c.client.Dial(c.t.Context(), "tcp", netip.AddrPortFrom(c.vip, 80).String())
	c.must(err)
	c.t.Cleanup(func() { conn.Close() })
	return &long{conn, bufio.NewReader(conn)}
}

// ask makes a request and returns who has answered.
func (l *long) ask() (string, error) {
	_ = l.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(l, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(l.in, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var name [3]byte
	_, err = resp.Body.Read(name[:])
	if string(name[:]) == "" {
		return "", err
	}
	return string(name[:]), nil
}

// kernelTable is the table as the kernel prints it, without counts and in an
// order of its own: real servers stand in the order they were added in. It is
// read at once: what a second read begins with is counted among the services of
// this namespace, but what the first one passed among those of all of them
// (Linux 6.1, net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_array and
// ip_vs_info_seq_next).
func kernelTable(t *testing.T) string {
	t.Helper()
	file, err := os.Open("/proc/thread-self/net/ip_vs")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	text := make([]byte, os.Getpagesize()) // as much as the kernel gives at once
	n, err := file.Read(text)
	if err != nil || n > len(text)*3/4 {
		t.Fatalf("%d bytes of the kernel's table, which may be more than a page: %v", n, err)
	}
	var lines []string
	for line := range strings.Lines(string(text[:n])) {
		f := strings.Fields(line)
		if len(f) > 4 && f[0] == "->" {
			f = f[:4] // what follows are connections
		}
		lines = append(lines, strings.Join(f, " "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Killed under load, shunt loses no connection: the kernel goes on alone. The
// next one finds everything as it is to be and writes nothing.
func TestKilledOnIPVS(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.Gate)
	file := filepath.Join(t.TempDir(), "ldirectord.cf")
	c.must(os.WriteFile(file, []byte(c.fill(strings.Replace(kernelCF, "%FALLBACK%", "sorry", 1))), 0o600))
	child := exec.CommandContext(t.Context(), "/proc/self/exe")
	child.Env = append(os.Environ(), childEnv+"="+file)
	child.Stderr = os.Stderr
	c.must(child.Start())
	c.until("start", "rs1", "rs1", "rs1", "rs1", "rs2", "rs2")
	var longs []*long
	for range 20 {
		longs = append(longs, c.long())
	}
	before := kernelTable(t)
	stop := make(chan struct{})
	lost := make(chan error, len(longs))
	for _, l := range longs {
		go func() { lost <- l.busy(stop) }()
	}
	c.must(child.Process.Signal(unix.SIGKILL))
	_ = child.Wait()
	c.until("nobody directs", "rs1", "rs1", "rs1", "rs1", "rs2", "rs2")

	d := New(Options{Config: file, Dataplane: "ipvs", LogFormat: "text", LogLevel: slog.LevelWarn})
	c.must(d.Start(t.Context()))
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	c.ready(d)
	if n := d.plane.ipvs.opened().Writes(); n != 0 {
		t.Errorf("the restart wrote %d times", n)
	}
	if after := kernelTable(t); after != before {
		t.Errorf("the table was\n%s\nand is\n%s", before, after)
	}
	close(stop)
	for range longs {
		if err := <-lost; err != nil {
			t.Errorf("a connection was lost: %v", err)
		}
	}
	c.must(d.Stop(t.Context()))
	if own, err := hostAddrs(); err != nil || slices.Contains(own, c.vip) {
		t.Errorf("the VIP that the killed one had added stays after a stop: %v, %v", own, err)
	}
}

// busy makes requests until stop is closed, each answered by the same server.
func (l *long) busy(stop <-chan struct{}) error {
	first, err := l.ask()
	for err == nil {
		select {
		case <-stop:
			return nil
		default:
		}
		var name string
		if name, err = l.ask(); err == nil && name != first {
			return fmt.Errorf("%s answered a connection of %s", name, first)
		}
	}
	return err
}

// ready waits until every real server has been checked.
func (c *cluster) ready(d *Daemon) {
	c.t.Helper()
	wait.For(c.t, "the director is ready", func() (string, bool) {
		s, err := d.Status(c.t.Context())
		if err != nil {
			return err.Error(), false
		}
		return s.Unready, s.Ready
	})
}

// Every change of others to a service of shunt is undone.
func TestDriftOnIPVS(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.Gate)
	d := c.director(strings.Replace(kernelCF, "%FALLBACK%", "sorry", 1))
	c.until("start", "rs1", "rs1", "rs1", "rs1", "rs2", "rs2")
	before := kernelTable(t)
	somebody, err := ipvs.New(ipvs.Options{})
	c.must(err)
	t.Cleanup(func() { _ = somebody.Close() })
	id := dataplane.ServiceID{Protocol: dataplane.TCP, Addr: netip.AddrPortFrom(c.vip, 80)}
	c.must(somebody.Apply(t.Context(), dataplane.VirtualService{ID: id, Scheduler: "rr", RealServers: []dataplane.RealServer{
		{Addr: netip.AddrPortFrom(c.servers[1].addr, 80), Weight: 7},
	}}))
	c.repaired(before)
	c.must(somebody.Remove(t.Context(), id))
	c.repaired(before)
	e, err := director.OperatorOf(d.director).Explain(t.Context(), "tcp "+id.Addr.String(), "")
	c.must(err)
	if len(e.Services) != 1 || len(e.Services[0].Repairs) == 0 || !strings.Contains(e.Services[0].Repairs[0].Changes, "weight") {
		t.Errorf("the changes are explained by %+v", e.Services)
	}
	if s, err := d.Status(t.Context()); err != nil || s.Dataplane.Repairs < 2 {
		t.Errorf("%d repairs were counted, %v", s.Dataplane.Repairs, err)
	}
}

// repaired waits until the kernel's table is as it was.
func (c *cluster) repaired(before string) {
	c.t.Helper()
	if kernelTable(c.t) == before {
		c.t.Fatal("nothing was changed")
	}
	wait.For(c.t, "the table is again\n"+before, func() (string, bool) { now := kernelTable(c.t); return "\n" + now, now == before })
}
