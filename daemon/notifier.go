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
	// statusMoment is for how long something has to last to be worth a line.
	statusMoment = time.Second
	// extendEvery is how often it is asked for patience while not everything is
	// served after a start, and extension how much of it.
	extendEvery = 10 * time.Second
	extension   = 3 * extendEvery
)

// A notifier tells the service manager how things stand: READY=1 when every
// service is served, after a start and after each reload, and at any time what is
// not. Until the first READY=1 it asks again and again for more time, for as long
// as nothing is stuck: a service that cannot be served keeps the unit from
// being started, and not the others from being served.
type notifier struct {
	tell func(state string)
	well func(context.Context) error

	mu      sync.Mutex
	unready string
	reloads int  // under way
	owed    bool // READY=1 has to be sent
	started bool // it was sent once
	news    chan struct{}
}

func newNotifier(tell func(string), well func(context.Context) error) *notifier {
	return &notifier{tell: tell, well: well, unready: "it starts", owed: true, news: make(chan struct{}, 1)}
}

// ready takes in why the director is not ready, "" if it is. It does not block.
func (n *notifier) ready(unready string) { n.change(func() { n.unready = unready }) }

// reloading says that a reload begins; the function that it returns, that it is
// over.
func (n *notifier) reloading() func() {
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
			n.owed = true
		})
	}
}

func (n *notifier) change(f func()) {
	n.mu.Lock()
	f()
	n.mu.Unlock()
	select {
	case n.news <- struct{}{}:
	default:
	}
}

// run tells the service manager until ctx is done. What passes within a moment is
// not told, except for READY=1.
func (n *notifier) run(ctx context.Context) {
	extend := time.NewTicker(extendEvery)
	defer extend.Stop()
	var moment <-chan time.Time
	said, over := "", false
	for {
		switch status, ready := n.due(); {
		case ready:
			n.tell(daemon.SdNotifyReady + "\n" + status)
			said = status
		case status == said:
		case over:
			n.tell(status)
			said = status
		case moment == nil:
			moment = time.After(statusMoment)
		}
		over = false
		select {
		case <-ctx.Done():
			return
		case <-n.news:
		case <-moment:
			moment, over = nil, true
		case <-extend.C:
			n.extend(ctx)
		}
	}
}

// due is the line of status, and whether READY=1 is due, which the caller then
// sends.
func (n *notifier) due() (status string, ready bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	status = "STATUS=Every service is served"
	if n.unready != "" {
		status = "STATUS=Not ready: " + strings.ReplaceAll(n.unready, "\n", "; ")
	}
	if ready = n.owed && n.reloads == 0 && n.unready == ""; ready {
		n.owed, n.started = false, true
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
