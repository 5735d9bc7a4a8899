package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// Director is the Real of a point that belongs to the director.
const Director = -1

// A Point is a link to watch.
type Point struct {
	In   *netlab.Namespace // nil is the one the process is in
	Link string
	Real int // number of the real server it belongs to, or Director
}

// String returns namespace and link.
func (p Point) String() string {
	if p.In == nil {
		return "here:" + p.Link
	}
	return p.In.String() + ":" + p.Link
}

// Options describe what to watch and how. All fields but Service may be left out.
type Options struct {
	Service Service
	// Snap is how many bytes of a frame are kept; less than 256 is 256.
	// Checksums of longer packets cannot be verified.
	Snap int
	// Ring is the size of the kernel's buffer for each link in bytes; 0 is
	// 16 MiB.
	Ring int
	// Limit is how many packets are kept of each link; 0 is 500,000.
	// Packets above it count as dropped.
	Limit int
	// Settle is for how long a link has to be silent before Stop takes the
	// traffic for over; 0 is 100 ms. It has to be more than a director may
	// hold a packet back.
	Settle time.Duration
}

func (o Options) complete() Options {
	o.Snap = max(o.Snap, 256)
	o.Ring = cmp.Or(o.Ring, 16<<20)
	o.Limit = cmp.Or(o.Limit, 500_000)
	o.Settle = cmp.Or(o.Settle, 100*time.Millisecond)
	return o
}

// A Watcher captures until it is stopped.
type Watcher struct {
	options Options
	taps    []*tap
	work    sync.WaitGroup
	ending  atomic.Bool
}

// Watch begins to capture. It returns when every packet from now on is seen. The
// director's points are needed for everything; those of real servers add the
// check that packets from the director arrived. Stop has to be called.
func Watch(o Options, points ...Point) (*Watcher, error) {
	w := &Watcher{options: o.complete()}
	if err := o.Service.tellable(points); err != nil {
		return nil, err
	}
	filter, err := o.Service.filter(w.options.Snap)
	if err != nil {
		return nil, err
	}
	for _, p := range points {
		t := &tap{Point: p, limit: w.options.Limit}
		err := inside(p.In, func() error { return t.open(w.options.Ring, filter) })
		if err != nil {
			return nil, errors.Join(fmt.Errorf("watch %s: %w", p, err), w.close())
		}
		w.taps = append(w.taps, t)
	}
	for _, t := range w.taps {
		w.work.Go(func() { t.run(&w.ending) })
	}
	return w, nil
}

// Stop waits until the links are silent, at most until ctx is done, ends the
// capture and returns the observation. The load must have ended before.
func (w *Watcher) Stop(ctx context.Context) (*Observation, error) {
	tick := time.NewTicker(w.options.Settle / 4)
	defer tick.Stop()
	for ctx.Err() == nil && !w.silent() {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	w.ending.Store(true)
	w.work.Wait()
	o := observe(w.options.Service, w.taps)
	return o, w.close()
}

func (w *Watcher) silent() bool {
	return !slices.ContainsFunc(w.taps, func(t *tap) bool {
		return time.Since(time.Unix(0, t.latest.Load())) < w.options.Settle
	})
}

func (w *Watcher) close() error {
	var errs []error
	for _, t := range w.taps {
		errs = append(errs, t.err, t.ring.close())
	}
	return errors.Join(errs...)
}

// A tap captures at one point.
type tap struct {
	Point
	mac   net.HardwareAddr
	addrs []net.Addr
	ring  *ring
	limit int

	latest  atomic.Int64 // when something was read last, ns since 1970
	frames  []frame
	arena   []byte // what is left of the memory for the next frames
	dropped uint64
	err     error
}

func (t *tap) open(size int, filter []unix.SockFilter) error {
	link, err := net.InterfaceByName(t.Link)
	if err != nil {
		return err
	}
	if t.addrs, err = link.Addrs(); err != nil {
		return err
	}
	t.mac = link.HardwareAddr
	t.latest.Store(time.Now().UnixNano())
	t.ring, err = openRing(link.Index, size, filter)
	return err
}

// run reads until it is told to end, and then the rest of the ring.
func (t *tap) run(ending *atomic.Bool) {
	for last := false; !last; {
		last = ending.Load()
		if err := t.ring.wait(2 * blockTime); err != nil {
			t.err = err
			return
		}
		if t.ring.read(t.keep) > 0 {
			t.latest.Store(time.Now().UnixNano())
		}
	}
	drops, err := t.ring.drops()
	t.dropped += drops
	t.err = err
}

const arenaSize = 1 << 20

func (t *tap) keep(f frame) {
	if len(t.frames) >= t.limit {
		t.dropped++
		return
	}
	if len(t.arena) < len(f.data) {
		t.arena = make([]byte, max(arenaSize, len(f.data)))
	}
	n := copy(t.arena, f.data)
	f.data, t.arena = t.arena[:n:n], t.arena[n:]
	t.frames = append(t.frames, f)
}

// inside runs fn in a namespace.
func inside(n *netlab.Namespace, fn func() error) error {
	if n == nil {
		return fn()
	}
	return n.Do(fn)
}
