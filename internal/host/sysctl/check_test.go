package sysctl_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// tree makes settings of paths and values.
func tree(t *testing.T, settings map[string]string) sysctl.Dir {
	t.Helper()
	dir := t.TempDir()
	for path, value := range settings {
		file := filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(value), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return sysctl.Dir(dir)
}

func TestNamesOfLinksWithDots(t *testing.T) {
	name := sysctl.Link("ipv4", "eth0.100", "rp_filter")
	if name != "net.ipv4.conf.eth0/100.rp_filter" {
		t.Errorf("the name is %s", name)
	}
	d := tree(t, map[string]string{"net/ipv4/conf/eth0.100/rp_filter": "2\n"})
	if got, err := d.Get(name); got != "2" || err != nil {
		t.Errorf("it is %q, %v", got, err)
	}
}

var needs = []sysctl.Need{
	{Name: "net.ipv4.ip_forward", Value: "1", Reason: "nothing is forwarded"},
	{Name: "net.ipv4.conf.all.send_redirects", Value: "0", Reason: "redirects"},
	{Name: "net.ipv4.vs.conn_reuse_mode", Value: "1", Unless: "0", Reason: "ports"},
}

func TestCheckAndSet(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]string
		gaps     []string
		after    []string // gaps that Set leaves
	}{
		{"all good", map[string]string{"net/ipv4/ip_forward": "1\n", "net/ipv4/conf/all/send_redirects": "0\n", "net/ipv4/vs/conn_reuse_mode": "2\n"}, nil, nil},
		{"before the module is loaded", map[string]string{"net/ipv4/ip_forward": "1\n", "net/ipv4/conf/all/send_redirects": "0\n"}, []string{
			"net.ipv4.vs.conn_reuse_mode is not there, because the module ip_vs is not loaded, want 1: ports; type: sysctl -w net.ipv4.vs.conn_reuse_mode=1",
		}, []string{
			"net.ipv4.vs.conn_reuse_mode is not there, because the module ip_vs is not loaded, want 1: ports; type: sysctl -w net.ipv4.vs.conn_reuse_mode=1",
		}},
		{"defaults", map[string]string{"net/ipv4/ip_forward": "0\n", "net/ipv4/conf/all/send_redirects": "1\n", "net/ipv4/vs/conn_reuse_mode": "0\n"}, []string{
			"net.ipv4.ip_forward is 0, want 1: nothing is forwarded; type: sysctl -w net.ipv4.ip_forward=1",
			"net.ipv4.conf.all.send_redirects is 1, want 0: redirects; type: sysctl -w net.ipv4.conf.all.send_redirects=0",
			"net.ipv4.vs.conn_reuse_mode is 0, want 1: ports; type: sysctl -w net.ipv4.vs.conn_reuse_mode=1",
		}, nil},
		{"a kernel without", map[string]string{"net/ipv4/vs/conn_reuse_mode": "1\n", "net/ipv4/conf/all/send_redirects": "0\n"}, []string{
			"net.ipv4.ip_forward is not there, want 1: nothing is forwarded; type: sysctl -w net.ipv4.ip_forward=1",
		}, []string{
			"net.ipv4.ip_forward is not there, want 1: nothing is forwarded; type: sysctl -w net.ipv4.ip_forward=1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := tree(t, tt.settings)
			before := sysctl.Check(needs, d)
			if diff := cmp.Diff(tt.gaps, lines(before)); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			changed, left := sysctl.Set(needs, d)
			if diff := cmp.Diff(tt.after, lines(left)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if len(changed)+len(left) != len(before) {
				t.Errorf("%d gaps, %d changed and %d left", len(before), len(changed), len(left))
			}
			if diff := cmp.Diff(tt.after, lines(sysctl.Check(needs, d))); diff != "" {
				t.Errorf("gaps afterwards (-want +got):\n%s", diff)
			}
			if again, _ := sysctl.Set(needs, d); len(again) != 0 {
				t.Errorf("setting again changes %v", again)
			}
		})
	}
}

func lines(gaps []sysctl.Gap) []string {
	var all []string
	for _, g := range gaps {
		all = append(all, g.String())
	}
	return all
}

// TestSystem reads and writes the kernel's settings, in a namespace.
func TestSystem(t *testing.T) {
	lab := netlab.Test(t)
	n, err := lab.Namespace("director")
	if err != nil {
		t.Fatal(err)
	}
	err = n.Do(func() error {
		changed, left := sysctl.Set([]sysctl.Need{
			{Name: "net.ipv4.ip_forward", Value: "1"},
			{Name: "net.ipv4.conf.all.send_redirects", Value: "junk"},
		}, sysctl.System)
		if len(changed) != 1 || changed[0].Have != "0" {
			t.Errorf("changed %v", changed)
		}
		if len(left) != 1 || !strings.Contains(left[0].String(), "is 1 and could not be changed (set net.ipv4.conf.all.send_redirects to junk: invalid argument)") {
			t.Errorf("left %v", left)
		}
		_, err := sysctl.System.Get("net.ipv4.no_such")
		if !errors.Is(err, fs.ErrNotExist) || err.Error() != "read net.ipv4.no_such: no such file or directory" {
			t.Errorf("what is not there: %v", err)
		}
		got, err := sysctl.System.Get("net.ipv4.ip_forward")
		if got != "1" {
			t.Errorf("ip_forward is %q", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWhere(t *testing.T) {
	lab := netlab.Test(t)
	director, err := lab.Namespace("director")
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Namespace("server")
	if err != nil {
		t.Fatal(err)
	}
	err = lab.Connect(
		netlab.End{In: director, Link: "eth7", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("fd00:1::1/64")}},
		netlab.End{In: server, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.2/24"), netip.MustParsePrefix("fd00:1::2/64")}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		addr, link string
		local      bool
	}{
		{"10.1.0.2", "eth7", false},
		{"10.1.0.1", "eth7", true},
		{"fd00:1::2", "eth7", false},
		{"fd00:1::1", "eth7", true},
		{"127.0.0.1", "lo", true},
		{"127.0.0.2", "lo", true},
		{"192.0.2.1", "", false},
		{"2001:db8::1", "", false},
	} {
		err := director.Do(func() error {
			where, done, err := rtnl.Routes()
			if err != nil {
				return err
			}
			defer done()
			if link, local := where(netip.MustParseAddr(tt.addr)); link != tt.link || local != tt.local {
				t.Errorf("%s is at %q, local %v, want %q, %v", tt.addr, link, local, tt.link, tt.local)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
