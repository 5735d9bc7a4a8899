package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

const (
	trialTime = 4 * time.Second // of one check
	maxTrials = 64              // at once
)

// reals says which real servers cannot be reached, or are not well.
func reals(ctx context.Context, s *Subject) (all []Finding) {
	lost := map[netip.Addr]bool{}
	for i := range s.Conf.Virtuals {
		v := &s.Conf.Virtuals[i]
		for j := range v.Reals {
			f, ok := s.way(v, &v.Reals[j])
			if addr := v.Reals[j].Addr.Addr(); ok && (f.Code != realNoRoute || !lost[addr]) {
				lost[addr] = lost[addr] || f.Code == realNoRoute
				all = append(all, f)
			}
		}
	}
	var trials []director.Trial
	for _, t := range director.Trials(s.Conf) {
		if t.Check != "" && !strings.HasPrefix(t.Check, "external") && !t.Advises && !lost[t.Real.Addr.Addr()] {
			trials = append(trials, t)
		}
	}
	return append(all, s.try(ctx, trials)...)
}

// way looks at the route to a real server.
func (s *Subject) way(v *config.Virtual, r *config.Real) (Finding, bool) {
	addr := r.Addr.Addr()
	routes, err := netlink.RouteGet(addr.AsSlice())
	switch {
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EACCES):
		return found(realNoRoute, r.Pos, "there is no route to the real server %s", addr).
			breaks("it gets no checks, no clients, and counts as down").mend("ip route add %s/%d via GATEWAY", addr, addr.BitLen()), true
	case err != nil:
		return unknown("the route to "+addr.String(), err), true
	case s.InKernel(v) && r.Forward == dataplane.Gate && slices.ContainsFunc(routes, func(r netlink.Route) bool { return len(r.Gw) > 0 }):
		return found(gateBeyondRouter, r.Pos, "%s is gate and beyond the router %s", addr, routes[0].Gw).
			breaks("gate sends packets with the virtual address to the machine on the same link: the router takes them, and sends them back here").
			mend("ipip in place of gate in the file, or masq; or a link on which both are"), true
	}
	return Finding{}, false
}

// try makes checks, and says what is wrong with the real servers that fail.
func (s *Subject) try(ctx context.Context, trials []director.Trial) (all []Finding) {
	errs, unmade := make([]error, len(trials)), 0
	warnings := make([]string, len(trials))
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxTrials)
	for i, t := range trials {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if errs[i] = ctx.Err(); errs[i] != nil {
				return
			}
			t.Timeout = min(t.Timeout, trialTime)
			r := t.Run(ctx, &checks.Trace{})
			if errs[i], warnings[i] = r.Err, r.Warning; ctx.Err() != nil && r.Err != nil {
				errs[i] = ctx.Err()
			}
		})
	}
	wg.Wait()
	for i, t := range trials {
		switch {
		case errors.Is(errs[i], context.DeadlineExceeded) && ctx.Err() != nil, errors.Is(errs[i], context.Canceled):
			unmade++
		case errs[i] != nil:
			all = append(all, s.failed(t, errs[i]))
		case warnings[i] != "":
			all = append(all, found(checkWarning, t.Real.Pos, "%s of %s: %s", t.Real.Addr, t.Virtual.ID, warnings[i]))
		}
	}
	if unmade > 0 {
		all = append(all, unknown("real servers", fmt.Errorf("%d of %d checks did not end within %v", unmade, len(trials), limit)))
	}
	return slices.CompactFunc(all, func(a, b Finding) bool { return a.Code == b.Code && a.What == b.What })
}

var codesOfKinds = map[checks.Kind]Code{
	checks.Refused: realRefuses, checks.Timeout: realSilent, checks.Unreachable: realSilent, checks.TLS: checkCertificate,
	checks.Resource: notExamined,
}

// failed is about a check that has failed.
func (s *Subject) failed(t director.Trial, err error) Finding {
	code, ok := codesOfKinds[checks.KindOf(err)]
	if !ok {
		code = checkFails
	}
	return found(code, t.Real.Pos, "the check (%s) of the real server %s of %s fails: %v", t.Check, t.Real.Addr, t.Virtual.ID, err).
		breaks("it counts as down, and gets no clients").mend("shunt check %s --real %s", s.Conf.Path, t.Real.Addr)
}
