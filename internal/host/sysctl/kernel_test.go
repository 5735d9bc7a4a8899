//go:build kernel

package sysctl_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// everything returns needs for all settings that the package knows.
func everything(t *testing.T) []sysctl.Need {
	where, done, err := rtnl.Routes()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	masq := service(tcp("10.1.0.100:80"), "10.1.0.2:80 masq")
	six := service(tcp("[fd00:1::100]:80"), "[fd00:1::2]:80 masq")
	six.Persistent = time.Minute
	return sysctl.Needs([]dataplane.VirtualService{masq, six}, sysctl.Options{
		Quiescent: func(id dataplane.ServiceID) bool { return id == six.ID },
		Where:     where,
	})
}

// TestOnAKernelWithIPVS: the settings do not exist before the module is loaded.
// Afterwards all can be set.
func TestOnAKernelWithIPVS(t *testing.T) {
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
		netlab.End{In: director, Link: "eth0.7", Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.100/24"), netip.MustParsePrefix("fd00:1::100/64")}},
		netlab.End{In: server, Link: "eth0"},
	)
	if err != nil {
		t.Fatal(err)
	}
	err = director.Do(func() error {
		needs := everything(t)
		if len(needs) != 7 {
			t.Errorf("%d needs, want 7: %v", len(needs), needs)
		}
		before := lines(sysctl.Check(needs, sysctl.System))
		if text := strings.Join(before, "\n"); strings.Count(text, "because the module ip_vs is not loaded") != 3 {
			t.Errorf("before the module is loaded:\n%s", text)
		}
		if _, err := netlink.GenlFamilyGet("IPVS"); err != nil { // loads it
			return err
		}
		changed, left := sysctl.Set(needs, sysctl.System)
		if len(left) != 0 || len(changed) != 6 { // conn_reuse_mode is 1 by default
			t.Errorf("changed %v\nleft %v", lines(changed), lines(left))
		}
		if gaps := sysctl.Check(needs, sysctl.System); len(gaps) != 0 {
			t.Errorf("afterwards %v", lines(gaps))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
