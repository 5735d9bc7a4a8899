package ipvs

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// sipEngine is a persistence engine that accepts only SIP messages over UDP. The
// kernel drops all other packets, while it refuses packets for which it finds no
// real server (ip_vs_core.c, ip_vs_schedule).
const sipEngine = "sip"

// ApplyDropping is Apply for a service that a program on this host has served
// until now. The kernel gets a service before it gets its real servers. In
// between, with Apply it refuses new clients; with ApplyDropping it drops their
// packets, and TCP sends them again a second later. That needs the kernel's
// module ip_vs_pe_sip; without it ApplyDropping does what Apply does.
func (d *Dataplane) ApplyDropping(ctx context.Context, want dataplane.VirtualService) error {
	err := d.apply(ctx, want, dropUntilDone)
	if errors.Is(err, unix.ENOENT) {
		return d.apply(ctx, want, unchanged)
	}
	return err
}

func unchanged([]step) {}

// dropUntilDone changes steps that create a service: it drops all packets until
// the last of them.
func dropUntilDone(steps []step) {
	if len(steps) > 0 && steps[0].verb == addService {
		o := &steps[0].options
		o.engine, o.flags, o.timeout = sipEngine, o.flags|flagPersistent, max(o.timeout, 1)
	}
}
