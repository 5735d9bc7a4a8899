package subject_test

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/subject"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer serves the name of a real server to every client.
func answer(t *testing.T, in *netlab.Namespace, addr netip.AddrPort, name string) {
	t.Helper()
	ln, err := in.Listen("tcp", addr.String())
	must(t, err)
	ended := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, name)
			_ = c.Close()
		}
	}()
}

// hear returns what a client hears at addr, and "" if nobody answers.
func hear(from *netlab.Namespace, addr netip.AddrPort) string {
	var text []byte
	_ = from.Do(func() error {
		c, err := net.DialTimeout("tcp", addr.String(), time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Second))
		text, err = io.ReadAll(c)
		return err
	})
	return string(text)
}

// heard returns who answered ten clients.
func heard(from *netlab.Namespace, addr netip.AddrPort) map[string]int {
	got := map[string]int{}
	for range 10 {
		got[hear(from, addr)]++
	}
	return got
}

func TestSubjectsDirect(t *testing.T) {
	netlab.Test(t)
	shunt := program(t)
	for _, name := range []string{"shunt-proxy", "haproxy", "nginx", "direct"} {
		for _, six := range []bool{false, true} {
			t.Run(name+map[bool]string{false: "4", true: "6"}[six], func(t *testing.T) {
				s, err := subject.Find(name)
				must(t, err)
				here(t, s, shunt)
				direct(t, s, shunt, six)
			})
		}
	}
}

// here runs a test only where its subject is installed.
func here(t *testing.T, s *subject.Subject, shunt string) {
	t.Helper()
	if err := s.Available(shunt); err != nil {
		need.Lacking(t, err)
	}
}

func direct(t *testing.T, s *subject.Subject, shunt string, six bool) {
	l, err := lab.New(lab.Options{RealServers: 2, IPv6: six})
	must(t, err)
	defer l.Close()
	set := subject.Setting{
		In: l.Director, Dir: t.TempDir(), Shunt: shunt, VIP: netip.AddrPortFrom(l.VIP(), 8080), Hold: 100, Forward: dataplane.Masq,
	}
	if p, err := lab.Share(1); err == nil {
		set.Processors = p.Director
	}
	for i, name := range []string{"a", "b"} {
		addr := netip.AddrPortFrom(l.RealAddr(i), 9000)
		answer(t, l.Real[i], addr, name)
		set.Reals = append(set.Reals, subject.Real{Addr: addr, Weight: 4 - 3*i})
	}
	r, err := s.Start(set)
	must(t, err)
	defer r.Stop()
	target := func() netip.AddrPort { return r.Targets()[0] }
	wait.Until(t, "it answers", func() bool { must(t, r.Err()); return hear(l.Client, target()) != "" })

	if got := heard(l.Client, target()); s.Name != subject.Direct && (got["a"] != 8 || got["b"] != 2) {
		t.Errorf("weights 4 and 1 gave %v", got)
	}
	must(t, r.Configure([]subject.Real{{Addr: set.Reals[0].Addr}, set.Reals[1]}))
	wait.Until(t, "the drained real server is left alone", func() bool { return heard(l.Client, target())["b"] == 10 })
	if s.Checks() {
		got, err := r.Serves(t.Context(), []int{0, 1})
		must(t, err)
		if diff := cmp.Diff(map[int]bool{0: false, 1: true}, got); diff != "" {
			t.Errorf("in service: %s", diff)
		}
	}
	used(t, r)

	r.Kill()
	if s.Name != subject.Direct && r.Err() == nil {
		t.Error("nothing is said about a subject that was killed")
	}
	must(t, r.Restart())
	wait.Until(t, "it answers again", func() bool { return hear(l.Client, target()) == "b" })
}

func used(t *testing.T, r *subject.Running) {
	u, err := r.Usage()
	must(t, err)
	if r.Name == subject.Direct {
		return
	}
	if total := u.CPU.Busy(); total <= 0 || total > 20 {
		t.Errorf("processor time of %v s", total)
	}
	if u.PSS < 500<<10 || u.PSS > 1<<30 {
		t.Errorf("PSS of %d bytes", u.PSS)
	}
	if len(u.Idle) == 0 || u.Kernel == 0 {
		t.Errorf("of the machine: %+v", u)
	}
	if v, err := r.Version(r.Shunt); err != nil || !strings.ContainsAny(v, "0123456789") && r.Name != "shunt-proxy" {
		t.Errorf("version %q, %v", v, err)
	}
}

func TestASubjectThatEndsSaysWhy(t *testing.T) {
	netlab.Test(t)
	s, err := subject.Find("haproxy")
	must(t, err)
	here(t, s, "")
	l, err := lab.New(lab.Options{})
	must(t, err)
	defer l.Close()
	// An address that nobody here has.
	r, err := s.Start(subject.Setting{In: l.Director, Dir: t.TempDir(), VIP: netip.MustParseAddrPort("192.0.2.1:80")})
	must(t, err)
	defer r.Stop()
	wait.Until(t, "it ends", func() bool { return r.Err() != nil })
	if text := r.Err().Error(); !strings.Contains(text, "192.0.2.1") {
		t.Errorf("not why: %s", text)
	}
}

func TestUnknown(t *testing.T) {
	_, err := subject.Find("traefik")
	want := `no subject is called "traefik": there are shunt-proxy, haproxy, nginx, direct, shunt-ipvs, ldirectord, keepalived`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	nginx, err := subject.Find("nginx")
	must(t, err)
	if err := nginx.Refuses(&subject.Setting{Scheduler: "nq"}); err == nil || err.Error() != "has no scheduler like nq" {
		t.Errorf("got %v", err)
	}
}
