//go:build kernel

package daemon

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/daemon/internal/mux"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// askAll makes requests again and again, several at once, until it is told to end.
// It returns how many were answered by one of those who may, and what went
// wrong.
func (c *cluster) askAll(stop <-chan struct{}, may ...string) (answered int, failed []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				begin := time.Now()
				got := c.askFor(time.Minute)
				mu.Lock()
				if slices.Contains(may, got) {
					answered++
				} else {
					failed = append(failed, begin.Format("05.000 ")+got)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return answered, failed
}

// moves changes the dataplane of a service again and again, by reloads, while
// many clients connect and with connections that stay. No client may be refused
// or cut.
func (c *cluster) moves(name, file, beside string) {
	c.t.Helper()
	text := func(plane string) string { return file + "\tdataplane=" + plane + "\n" + beside }
	d := c.director(text(onIPVS))
	c.until(name+", at first", "rs1", "rs1", "rs1", "rs1", "rs2", "rs2")
	// Clients come back with ports that the kernel has not forgotten.
	c.must(sysctl.System.Set("net.ipv4.vs.conn_reuse_mode", "3"))
	stop, done := make(chan struct{}), make(chan struct{})
	var answered int
	var failed []string
	go func() {
		answered, failed = c.askAll(stop, "rs1", "rs2")
		close(done)
	}()
	var late *long // made while the kernel passes connections on to the proxy
	for range 2 {
		for _, plane := range []string{onProxy, onIPVS} {
			l := c.long()
			if _, err := l.ask(); err != nil {
				c.t.Errorf("%s, before a move to %s: %v", name, plane, err)
			}
			c.must(os.WriteFile(d.o.Config, []byte(c.fill(text(plane))), 0o600))
			c.must(d.Reload(c.t.Context()))
			c.t.Logf("%s: on %s at %s", name, plane, time.Now().Format("05.000"))
			if plane == onProxy {
				late = c.long()
			}
			time.Sleep(mux.Handshake + time.Second)
			if _, err := l.ask(); err != nil {
				c.t.Errorf("%s, a connection that stays through a move to %s: %v", name, plane, err)
			}
			_ = l.Close()
			if late != nil && (plane == onIPVS || beside != "") { // beside another the service stays for it
				if _, err := late.ask(); err != nil {
					c.t.Errorf("%s, a connection made during a move to the proxy, on %s: %v", name, plane, err)
				}
				_ = late.Close()
				late = nil
			}
			c.settled(d, plane)
		}
	}
	close(stop)
	<-done
	c.t.Logf("%s: %d requests", name, answered)
	if len(failed) > 0 {
		c.t.Errorf("%s: %d requests failed, %d did not: %q", name, len(failed), answered, failed)
	}
	c.must(d.Stop(c.t.Context()))
}

// settled waits until nothing moves any more, and the kernel has the service or
// does not.
func (c *cluster) settled(d *Daemon, plane string) {
	c.t.Helper()
	wait.For(c.t, "no service moves to "+plane+" any more", func() (string, bool) {
		onProxy := d.plane.Served(onProxy)
		n := len(slices.DeleteFunc(d.plane.Served(onIPVS), func(id string) bool { return !slices.Contains(onProxy, id) }))
		table := kernelTable(c.t)
		has := strings.Contains(table, "TCP 0A000064:0050")
		return fmt.Sprintf("%d that do:\n%s", n, table), n == 0 && has == (plane == onIPVS)
	})
}

// TestMovingRefusesNobody moves the only service there is, and one that has
// others beside it, whose kernel is set as they need it.
func TestMovingRefusesNobody(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	c := newCluster(t, networks["IPv4"], dataplane.Gate)
	// Nobody is out of use because a machine with much to do is late.
	file := strings.NewReplacer("%FALLBACK%", "sorry", "checktype=negotiate", "checktype=on").Replace(kernelCF)
	c.moves("alone", strings.Replace(file, "managesysctl=yes", "managesysctl=no", 1), "")
	c.must(sysctl.System.Set("net.ipv4.vs.expire_nodest_conn", "0"))
	c.moves("beside another", file, "virtual=%VIP%:81\n\treal=10.0.0.110:81 gate\n\tchecktype=on\n")
}
