package lab_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	netlab.Test(t) // for what it skips
	l, err := lab.New(o)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

// greet serves the name of in at addr, and returns what a client in from gets
// there.
func greet(t *testing.T, from, in *netlab.Namespace, addr netip.AddrPort, patience time.Duration) (string, error) {
	t.Helper()
	ln, err := in.Listen("tcp", addr.String())
	must(t, err)
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			_, _ = io.WriteString(c, in.String())
			_ = c.Close()
		}
	}()
	var text []byte
	err = from.Do(func() error {
		c, err := net.DialTimeout("tcp", addr.String(), patience)
		if err != nil {
			return err
		}
		defer c.Close()
		text, err = io.ReadAll(c)
		return err
	})
	return string(text), err
}

func TestEverybodyReachesWhatTheyHaveTo(t *testing.T) {
	for _, topology := range []lab.Topology{lab.Loopback, lab.Routed, lab.Bridged} {
		for _, six := range []bool{false, true} {
			name := string(topology) + map[bool]string{false: "4", true: "6"}[six]
			t.Run(name, func(t *testing.T) {
				l := build(t, lab.Options{Topology: topology, RealServers: 2, IPv6: six, Forward: dataplane.Gate})
				type visit struct {
					from, in *netlab.Namespace
					addr     netip.Addr
				}
				for _, v := range []visit{
					{l.Client, l.Director, l.VIP()},
					{l.Director, l.Real[0], l.RealAddr(0)},
					{l.Client, l.Real[1], l.RealAddr(1)},
				} {
					got, err := greet(t, v.from, v.in, netip.AddrPortFrom(v.addr, 8080), time.Minute)
					if err != nil || got != v.in.String() {
						t.Errorf("%v to %v: %q, %v", v.from, v.addr, got, err)
					}
				}
			})
		}
	}
}

func TestTheDirectorAloneAnswersForTheVIP(t *testing.T) {
	l := build(t, lab.Options{Topology: lab.Bridged, RealServers: 3, Forward: dataplane.Gate})
	vip := netip.AddrPortFrom(l.VIP(), 8080)
	for range 3 {
		if got, err := greet(t, l.Client, l.Director, vip, time.Minute); err != nil || got != "director" {
			t.Errorf("%q, %v answered for the VIP", got, err)
		}
	}
	// A real server has it, too.
	if got, err := greet(t, l.Real[0], l.Real[0], vip, time.Minute); err != nil || got != "real1" {
		t.Errorf("%q, %v at the VIP of a real server", got, err)
	}
}

func TestUnplugged(t *testing.T) {
	l := build(t, lab.Options{RealServers: 2})
	addr := netip.AddrPortFrom(l.RealAddr(0), 8080)
	must(t, l.Unplug(0))
	if got, err := greet(t, l.Client, l.Real[0], addr, 200*time.Millisecond); err == nil {
		t.Errorf("an unplugged real server answered %q", got)
	}
	must(t, l.Plug(0))
	end := time.Now().Add(time.Minute)
	for {
		got, err := greet(t, l.Client, l.Real[0], addr, time.Second)
		if err == nil && got == "real1" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("plugged again: %q, %v", got, err)
		}
	}
}

func TestMachinesAreTuned(t *testing.T) {
	p := lab.Processors{Director: []int{1}, Others: []int{0}}
	l := build(t, lab.Options{MTU: 1400, Processors: p})
	must(t, l.Real[0].Do(func() error {
		text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
		if got := strings.TrimSpace(string(text)); got != "reno" {
			t.Errorf("congestion control is %s", got)
		}
		link, err2 := net.InterfaceByName(lab.RealLink)
		if err2 == nil && link.MTU != 1400 {
			t.Errorf("MTU is %d", link.MTU)
		}
		return errors.Join(err, err2)
	}))
	if len(l.Limits) != 0 {
		t.Errorf("limits: %q", l.Limits)
	}
}

func TestDelayOrOneClearLine(t *testing.T) {
	netlab.Test(t)
	l, err := lab.New(lab.Options{Delay: 50 * time.Millisecond})
	if errors.Is(err, unix.ENOENT) {
		if !strings.Contains(err.Error(), "sch_netem") {
			t.Errorf("the error does not say what is missing: %v", err)
		}
		return
	}
	must(t, err)
	defer l.Close()
	began := time.Now()
	if _, err := greet(t, l.Client, l.Director, netip.AddrPortFrom(l.VIP(), 8080), time.Minute); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("a connection took %v", took)
	}
}

func TestRefused(t *testing.T) {
	for want, o := range map[string]lab.Options{
		`no topology is called "star": loopback, routed and bridged are`: {Topology: "star"},
		"100000 real servers are more than the 53248 there is room for":  {RealServers: 100000},
		"a loss of 1.5 is not a share between 0 and 1":                   {Loss: 1.5},
		"delay and loss are of links, and a loopback network has none":   {Topology: lab.Loopback, Loss: 0.1},
	} {
		if _, err := lab.New(o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestPin(t *testing.T) {
	p, err := lab.Share(1)
	must(t, err)
	cmd := lab.Pin(exec.CommandContext(t.Context(), "/bin/sh", "-c", "grep Cpus_allowed_list /proc/self/status; exit 3"), p.Director)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("the program's own status is lost: %v", err)
	}
	want := strings.TrimPrefix(p.String(), "director alone on processor ")[:1]
	if diff := cmp.Diff("Cpus_allowed_list:\t"+want+"\n", string(out)); diff != "" {
		t.Error(diff)
	}
}
