package ipvs

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// silent is an engine of persistence that finds nothing it can work with in a
// packet that is no SIP message over UDP. The kernel drops such packets, where it
// refuses those that it finds no real server for (ip_vs_core.c, ip_vs_schedule).
const silent = "sip"

// TakeFromHost is Apply for a service that a program on this host has served
// until now. The kernel learns of a service before it learns of its real servers;
// in between, Apply has new clients refused, and TakeFromHost has their packets
// dropped: TCP sends them once more a second later. That takes the kernel's module
// ip_vs_pe_sip; where it is missing TakeFromHost does as Apply does.
func (d *Dataplane) TakeFromHost(ctx context.Context, want dataplane.VirtualService) error {
	err := d.apply(ctx, want, silently)
	if errors.Is(err, unix.ENOENT) {
		return d.apply(ctx, want, asTheyAre)
	}
	return err
}

func asTheyAre([]step) {}

// silently has steps that make a service make it one that is silent until the
// last of them.
func silently(steps []step) {
	if len(steps) > 0 && steps[0].verb == addService {
		o := &steps[0].options
		o.engine, o.flags, o.timeout = silent, o.flags|flagPersistent, max(o.timeout, 1)
	}
}
