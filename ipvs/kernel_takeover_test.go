//go:build kernel

package ipvs

import (
	"bufio"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall" //nolint:depguard // Credential has no other name
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// childEnv names the part that this process has in a test.
const childEnv = "IPVS_CHILD"

// child returns a command that runs TestChild with a part.
func child(part string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+part)
	return cmd
}

// ours is what TestChild applies.
func ours() dataplane.VirtualService {
	return dataplane.VirtualService{ID: tcp("10.2.0.100:80"), Scheduler: "rr", RealServers: reals(dataplane.Masq, false, 80)}
}

// TestChild is the other process of other tests.
func TestChild(t *testing.T) {
	part := os.Getenv(childEnv)
	if part == "" {
		return // nothing by itself
	}
	d, err := New(Options{})
	if contained := part == "contained"; contained || part == "refused" {
		if !errors.Is(err, ErrNoRights) || !errors.Is(err, unix.EPERM) || strings.Contains(err.Error(), "user namespace") != contained {
			t.Errorf("New, %s: %v, want ErrNoRights", part, err)
		}
		return
	}
	must(t, err)
	must(t, d.Apply(t.Context(), ours()))
	if part == "hold" {
		_, _ = os.Stdout.WriteString("applied\n")
		select {}
	}
	must(t, d.Remove(t.Context(), ours().ID))
	must(t, d.Close())
}

// TestKilled kills the process that programmed the kernel and starts another.
func TestKilled(t *testing.T) {
	s := newFixture(t, dataplane.Masq)
	s.serve(t, ":80")
	cmd := child("hold")
	out, err := cmd.StdoutPipe()
	must(t, err)
	p, err := s.director.Start(cmd)
	must(t, err)
	for r := bufio.NewScanner(out); r.Scan() && r.Text() != "applied"; {
		t.Log(r.Text())
	}
	held, err := dial(s.client, "10.2.0.100:80")
	must(t, err)
	defer held.Close()
	must(t, unix.Kill(p.Pid(), unix.SIGKILL))
	_ = p.Wait()
	if err := held.alive(); err != nil {
		t.Errorf("an established connection after the process was killed: %v", err)
	}
	if got := s.visits(t, "10.2.0.100:80", 3); got != "bca" {
		t.Errorf("after the process was killed connections went to %s, want bca", got)
	}
	d := s.open(t)
	must(t, d.Apply(t.Context(), ours()))
	if n := d.Writes(); n > 0 {
		t.Errorf("%d writes by the next process, want none", n)
	}
	holds(t, d, ours())
	if err := held.alive(); err != nil {
		t.Errorf("an established connection after the next process took over: %v", err)
	}
}

// TestTakeOverAForeignTable finds what somebody else has made.
func TestTakeOverAForeignTable(t *testing.T) {
	s := newFixture(t, dataplane.Masq)
	s.serve(t, ":80")
	d := s.open(t)
	k, id := openIn(t, s.director), ours().ID
	must(t, k.addService(id, options{scheduler: "wlc", netmask: netmask(false, 32)}))
	must(t, k.addServer(id, server{addr: netip.MustParseAddrPort("10.2.0.99:80"), weight: 0}))
	for _, r := range reals(dataplane.Masq, false, 80)[:2] {
		must(t, k.addServer(id, goalServer(r)))
	}
	other := tcp("10.2.0.100:81")
	must(t, k.addService(other, plain))
	held, err := dial(s.client, "10.2.0.100:80")
	must(t, err)
	defer held.Close()

	must(t, d.Apply(t.Context(), ours()))
	if got := d.Writes(); got != 3 {
		t.Errorf("%d writes, want 3: the scheduler, one real server more, a foreign one less", got)
	}
	holds(t, d, ours())
	if err := held.alive(); err != nil {
		t.Errorf("an established connection to %s after the table was taken over: %v", held.name, err)
	}
	if _, err := k.read(other); err != nil {
		t.Errorf("a service of somebody else: %v", err)
	}
}

// TestRightsOfAUserNamespace has CAP_NET_ADMIN, which does not count here, and
// is not told to get it.
func TestRightsOfAUserNamespace(t *testing.T) {
	_ = openTest(t) // loads the module, which it could not either
	cmd := child("contained")
	self := []syscall.SysProcIDMap{{Size: 1}}
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET, UidMappings: self, GidMappings: self}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestRights runs as an ordinary user, with nothing and with CAP_NET_ADMIN.
func TestRights(t *testing.T) {
	s := newFixture(t, dataplane.Masq)
	for part, caps := range map[string][]uintptr{"refused": nil, "allowed": {unix.CAP_NET_ADMIN}} {
		cmd := child(part)
		cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: caps}
		out, err := cmd.StdoutPipe()
		must(t, err)
		p, err := s.director.Start(cmd)
		must(t, err)
		for r := bufio.NewScanner(out); r.Scan(); {
			t.Log(r.Text())
		}
		if err := p.Wait(); err != nil {
			t.Errorf("%s: %v", part, err)
		}
	}
}
