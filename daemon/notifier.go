package daemon

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

const (
	// statusDelay is how long a status has to last to be reported.
	statusDelay = time.Second
	// extendEvery is how often the notifier asks for more time while not every
	// service is served after a start, and extension for how much.
	extendEvery = 10 * time.Second
	extension   = 3 * extendEvery
)

// A notifier reports to the service manager: READY=1 when every service is served,
// after a start and after each reload, and a status line whenever one is not. Until
// the first READY=1 it asks for more time as long as nothing is stuck: a service
// that cannot be served delays the start of the unit, and no other service.
type notifier struct {
	tell func(state string)
	well func(context.Context) error

	mu      sync.Mutex
	unready string
	reloads int  // under way
	due     bool // READY=1 has to be sent
	started bool // it was sent once
	changed chan struct{}
}

func newNotifier(tell func(string), well func(context.Context) error) *notifier {
	return &notifier{tell: tell, well: well, unready: "it starts", due: true, changed: make(chan struct{}, 1)}
}

// ready notes why the director is not ready, "" if it is. It does not block.
func (n *notifier) ready(unready string) { n.change(func() { n.unready = unready }) }

// reloading reports that a reload begins. The caller calls done when it is over.
func (n *notifier) reloading() (done func()) {
	n.change(func() { n.reloads++ })
	state := daemon.SdNotifyReloading
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err == nil {
		state += fmt.Sprintf("\nMONOTONIC_USEC=%d", ts.Nano()/1000)
	}
	n.tell(state)
	return func() {
		n.change(func() {
			n.reloads--
			n.due = true
		})
	}
}

func (n *notifier) change(f func()) {
	n.mu.Lock()
	f()
	n.mu.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// run reports to the service manager until ctx is done. It reports READY=1 at once,
// and a status only if it lasts for statusDelay.
func (n *notifier) run(ctx context.Context) {
	extend := time.NewTicker(extendEvery)
	defer extend.Stop()
	var delay <-chan time.Time
	said, over := "", false
	for {
		switch status, ready := n.status(); {
		case ready:
			n.tell(daemon.SdNotifyReady + "\n" + status)
			said = status
		case status == said:
		case over:
			n.tell(status)
			said = status
		case delay == nil:
			delay = time.After(statusDelay)
		}
		over = false
		select {
		case <-ctx.Done():
			return
		case <-n.changed:
		case <-delay:
			delay, over = nil, true
		case <-extend.C:
			n.extend(ctx)
		}
	}
}

// status returns the status line, and whether the caller has to send READY=1.
func (n *notifier) status() (status string, ready bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	status = "STATUS=Every service is served"
	if n.unready != "" {
		status = "STATUS=Not ready: " + strings.ReplaceAll(n.unready, "\n", "; ")
	}
	if ready = n.due && n.reloads == 0 && n.unready == ""; ready {
		n.due, n.started = false, true
	}
	return status, ready
}

// extend asks for more time if the start is not over and nothing is stuck.
func (n *notifier) extend(ctx context.Context) {
	n.mu.Lock()
	started := n.started
	n.mu.Unlock()
	if started {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, extendEvery)
	defer cancel()
	if n.well(ctx) == nil {
		n.tell(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extension.Microseconds()))
	}
}
