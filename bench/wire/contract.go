package wire

import (
	"context"
	"errors"
	"net"

	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/internal/netlab"
)

// A Watcher captures until it is stopped.
type Watcher struct{}

// An Observation is what was seen of a service. It does not change any more
// and may be read by several goroutines at once.
type Observation struct{}

// Watch begins to capture. It returns when every packet from now on is seen.
// The director's points are needed for everything; those of real servers add
// the check that what left the director arrived. Stop has to be called.
func Watch(o Options, points ...Point) (*Watcher, error) { return nil, errors.ErrUnsupported }

// Stop waits until the links are silent, at most until ctx is done, ends the
// capture and returns what was seen. The load is to have ended before.
func (w *Watcher) Stop(ctx context.Context) (*Observation, error) { return nil, errors.ErrUnsupported }

// Scheduler says how connections were distributed by the named scheduler (rr,
// wrr, ...), in what order, and whether that is right. Each source address of
// the clients counts as a client of its own.
func (o *Observation) Scheduler(subject, name string) result.Scheduler { return result.Scheduler{} }

// Rewrite says what became of packets, and whether the method's promises were
// kept by all of them.
func (o *Observation) Rewrite(subject string) result.Rewrite { return result.Rewrite{} }

// Added returns by how much the director delayed packets, in order, with the
// shares 0.5, 0.9, 0.99, 0.999 and 1; nothing where no packet was paired.
func (o *Observation) Added() []result.Quantile { return nil }

// Lost counts the packets of clients and real servers that entered the
// director and never left it; with a proxy connections (UDP: datagrams).
func (o *Observation) Lost() uint64 { return 0 }

// Dropped counts the packets that the observer missed.
func (o *Observation) Dropped() uint64 { return 0 }

// Save writes every packet into a pcapng file with nanoseconds. Each link is
// two interfaces, "director:eth0 in" and "director:eth0 out".
func (o *Observation) Save(file string) error { return errors.ErrUnsupported }

// Moved returns the share of the sources that kept to a real server other
// than gone in before and went to another one in after.
func Moved(before, after *Observation, gone int) float64 { return 0 }

// Plain has a link carry packets as they are on a wire: no segments above the
// MTU, no unfinished checksums. Call it for every link between clients and
// real servers, both ends of veth pairs and the ports of bridges.
func Plain(in *netlab.Namespace, link string) error { return errors.ErrUnsupported }

// MAC returns the Ethernet address of a link.
func MAC(in *netlab.Namespace, link string) (net.HardwareAddr, error) {
	return nil, errors.ErrUnsupported
}
