//go:build kernel

package daemon

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// TestSorryServerOfManyPorts: where a service has all ports, or those that a
// firewall mark says, the built-in sorry server answers on each of them, and
// real servers that return take over.
func TestSorryServerOfManyPorts(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.Gate)
	c.must(addVIP(c))
	c.must(mark(c, 7))
	for name, persistent := range map[string]time.Duration{"firewall mark": 0, "persistent firewall mark": time.Minute} {
		directive := ""
		if persistent > 0 {
			directive = "\tpersistent=60\n"
		}
		d := c.director("checkinterval=1\nmanagesysctl=yes\nvirtual=7\n\tchecktype=connect\n\tcheckport=80\n" +
			"\tservice=http\n\tfallback=sorry\n\treal=10.0.0.110 gate\n" + directive)
		c.until(name+", well", six("rs1")...)
		c.servers[0].stop()
		c.until(name+", stopped", six("sorry")...)
		c.reads(d, persistent)
		c.servers[0].start(t)
		c.until(name+", back", six("rs1")...)
		c.reads(d, persistent)
		c.must(d.Stop(t.Context()))
	}
}

// TestClientsOfTheSorryServerEndWell: when real servers are back, those who are
// with the sorry server get their answer, also where the kernel drops packets
// for a real server that is gone. The others keep their place meanwhile.
func TestClientsOfTheSorryServerEndWell(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.Gate)
	for _, fallback := range []string{"sorry", "127.0.0.1:80 gate"} {
		file := strings.NewReplacer("%FALLBACK%", fallback, "managesysctl=yes", "managesysctl=no", "quiescent=no", "quiescent=yes").Replace(kernelCF)
		d := c.director(file)
		both := []string{"rs1", "rs1", "rs1", "rs1", "rs2", "rs2"}
		c.until(fallback+", well", both...)
		stop, done := make(chan struct{}), make(chan struct{})
		var answered int
		var failed []string
		go func() {
			answered, failed = c.askAll(stop, "rs1", "rs2", "sorry")
			close(done)
		}()
		for range 5 {
			for _, broken := range []bool{true, false} {
				for _, s := range c.servers {
					s.broken.Store(broken)
				}
				c.answers(broken)
			}
		}
		close(stop)
		<-done
		t.Logf("%s: %d requests", fallback, answered)
		if len(failed) > 0 {
			t.Errorf("%s: %d requests failed, %d did not: %q", fallback, len(failed), answered, failed)
		}
		c.must(d.Stop(t.Context()))
	}
}

// answers waits until the sorry server answers, or does not.
func (c *cluster) answers(sorry bool) {
	c.t.Helper()
	for end := time.Now().Add(5 * time.Minute); (c.ask() == "sorry") != sorry; {
		if time.Now().After(end) {
			c.t.Fatalf("the sorry server answers is not %v", sorry)
		}
	}
}

// reads wants the dataplane to read its only service back with a persistence.
func (c *cluster) reads(d *Daemon, persistent time.Duration) {
	c.t.Helper()
	all, err := d.plane.Snapshot(c.t.Context())
	c.must(err)
	if got := all[0].Service.Persistent; got != persistent {
		c.t.Errorf("clients are kept for %v, want %v", got, persistent)
	}
}

// addVIP puts the cluster's VIP on the director.
func addVIP(c *cluster) error {
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	return netlink.AddrAdd(eth0, rtnl.Bare(c.vip))
}

// mark marks the packets for the cluster's VIP that arrive at the director.
func mark(c *cluster, n uint32) error {
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	qdisc := &netlink.Clsact{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: eth0.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT},
	}
	if err := netlink.QdiscAdd(qdisc); err != nil {
		return fmt.Errorf("add clsact: %w", err)
	}
	edit := netlink.NewSkbEditAction()
	edit.Mark = &n
	return netlink.FilterAdd(&netlink.Flower{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: eth0.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Priority: 1, Protocol: unix.ETH_P_IP,
		},
		EthType: unix.ETH_P_IP, DestIP: c.vip.AsSlice(), DestIPMask: net.CIDRMask(32, 32),
		Actions: []netlink.Action{edit},
	})
}
