package load

import (
	"math"
	"time"
)

const (
	defaultTimeout = 5 * time.Second
	// ramp bounds the connections being opened at once, which is well below
	// what listeners queue.
	ramp = 256
	// refused is how long a closed loop waits when an operation was refused at
	// once: the next one would be too.
	refused = int64(time.Millisecond)
)

// A worker does operations.
type worker interface {
	// free says how many operations could begin now.
	free() int
	// begin begins one that was to begin at began. It reports whether that
	// went well so far.
	begin(began int64) bool
	// flush sends the requests that begin may have kept for a batch.
	flush()
	// sweep ends operations that began before the time given.
	sweep(before, now int64)
	// busy says how many operations are under way.
	busy() int
	// established says how many connections are open.
	established() int
	close()
}

// A phase of a client's life.
type phase uint8

const (
	starting phase = iota // opening the connections that are kept
	running               // doing the work, from the warm-up on
	holding               // of Idle
	draining              // waiting for the operations that were begun
	probing               // of Idle: finding out which connections are still open
	ended
)

// A client decides when operations begin and which of them count.
type client struct {
	l     *loop
	job   Client
	t     *tally
	work  worker
	conns *connections // the worker, where there are connections

	phase       phase
	from        int64 // when the work began, warm-up included
	next        int64 // operations begun since from
	toOpen      int
	pause       int64 // begin nothing before
	sweepAt     int64
	limit       int64 // of this phase
	established uint64
	measured    bool
	meter       meter
	begun       func(time.Time)

	beside    *client // works as long as this one, and is measured with it
	secondary bool    // is the one beside
}

func newClient(l *loop, job Client, begun func(time.Time)) (*client, error) {
	if job.Timeout == 0 {
		job.Timeout = defaultTimeout
	}
	job.Request, job.Answer = max(job.Request, MinRequest), max(job.Answer, MinAnswer)
	c := &client{l: l, job: job, begun: begun, t: newTally(job.Interval, job.Duration)}
	c.t.begin, c.t.end = never, never
	l.register(c)
	if job.Kind == Datagrams {
		f, err := newFlows(l, job, c.t)
		c.work = f
		return c, err
	}
	c.conns = newConnections(l, job, c.t)
	c.work = c.conns
	return c, nil
}

// ready is not called: the sockets are the worker's.
func (c *client) ready(int32, uint32) {}

// start begins the first phase.
func (c *client) start() {
	if c.beside != nil {
		c.beside.start()
	}
	now := c.l.now()
	switch c.job.Kind {
	case Connections, Datagrams:
		c.startWork(now)
		return
	case Idle:
		c.t.rule = everything
	case Bulk:
		c.conns.size, c.conns.answer = MinRequest, MinAnswer
	}
	c.phase, c.toOpen = starting, c.job.Connections
	c.limit = now + 2*int64(c.job.Timeout)
}

// startWork begins the work, and with it the warm-up.
func (c *client) startWork(now int64) {
	c.phase, c.from = running, now
	if !c.secondary {
		c.setMeasured(now + int64(c.job.Warmup))
	}
	switch {
	case c.job.Kind == Idle:
		c.phase = holding
	case c.job.Rate > 0:
		c.t.rule = byStart
	default:
		c.t.rule = byEnd
	}
	if c.conns != nil {
		c.conns.size, c.conns.answer = c.job.Request, c.job.Answer
	}
}

func (c *client) tick(now int64) int64 {
	c.sweep(now)
	c.measure(now)
	wake := c.proceed(now)
	c.work.flush()
	if c.phase == running && wake == never && c.work.free() > 0 {
		wake = now + refused // flush met with it
	}
	if c.phase == ended && !c.secondary {
		c.l.stopped = true
	}
	return max(now, min(wake, c.sweepAt, c.edge(now)))
}

// edge is when the measured time begins or ends next.
func (c *client) edge(now int64) int64 {
	switch {
	case now < c.t.begin:
		return c.t.begin
	case now < c.t.end:
		return c.t.end
	}
	return never
}

// measure takes the meter's readings at the edges of the measured time.
func (c *client) measure(now int64) {
	if !c.measured && c.phase > starting && now >= c.t.begin {
		c.measured, c.t.measuring = true, true
		c.begun(c.l.wall(c.t.begin))
		c.meter.start()
	}
	if c.t.measuring && now >= c.t.end {
		c.t.measuring = false
		c.meter.stop()
	}
}

// proceed does the work of the phase and returns when it has to be called
// again.
func (c *client) proceed(now int64) int64 {
	switch c.phase {
	case starting:
		return c.open(now)
	case running:
		return c.pace(now)
	case holding:
		if now >= c.t.end {
			c.probe(now)
		}
	case draining:
		if now >= c.limit || now >= c.t.end && c.work.busy() == 0 {
			c.finish(c.work.established())
		}
	case probing:
		return c.open(now)
	}
	return never
}

// open makes one operation on each connection, a few at a time.
func (c *client) open(now int64) int64 {
	for c.toOpen > 0 && c.work.busy() < ramp {
		c.toOpen--
		if c.phase == starting || c.conns.nextEstablished() {
			c.work.begin(now)
		}
	}
	switch {
	case now >= c.limit:
		for ; c.toOpen > 0; c.toOpen-- {
			c.t.bad(now, now, notOpened)
		}
	case c.toOpen > 0 || c.work.busy() > 0:
		return c.limit
	}
	if c.phase == probing {
		c.finish(c.conns.answered)
		return never
	}
	c.startWork(c.l.now())
	return 0
}

// probe begins one operation on each connection of Idle, which tells which are still open.
func (c *client) probe(now int64) {
	c.phase, c.t.rule = probing, faultsOnly
	c.conns.answered = 0
	c.toOpen = c.conns.free()
	c.limit = now + 2*int64(c.job.Timeout)
}

// pace begins the operations that are due.
func (c *client) pace(now int64) int64 {
	if c.job.Rate == 0 {
		return c.refill(now)
	}
	for {
		at := c.due(c.next)
		switch {
		case at >= c.t.end:
			c.phase, c.limit = draining, c.t.end+int64(c.job.Timeout)
			return now
		case at > now:
			return at
		case now-at >= int64(c.job.Timeout):
			c.t.bad(at, now, noneFree)
		case c.work.free() == 0:
			return never // until one is, or has to be given up
		default:
			c.work.begin(at)
		}
		c.next++
	}
}

// due is when operation n was to begin.
func (c *client) due(n int64) int64 {
	return c.from + int64(math.Round(float64(n)*1e9/c.job.Rate))
}

// refill begins as many as are free in a closed loop.
func (c *client) refill(now int64) int64 {
	if now >= c.t.end {
		c.finish(c.work.established())
		return never
	}
	if now < c.pause {
		return c.pause
	}
	for range c.work.free() {
		if !c.work.begin(c.l.now()) {
			c.pause = now + refused
			return c.pause
		}
	}
	return never
}

func (c *client) finish(established int) {
	c.phase, c.established = ended, uint64(established)
}

// sweep ends operations that have taken too long, twenty times per Timeout.
func (c *client) sweep(now int64) {
	if now < c.sweepAt {
		return
	}
	c.sweepAt = now + int64(max(c.job.Timeout/20, time.Millisecond))
	c.work.sweep(now-int64(c.job.Timeout), now)
}

// outcome closes everything and returns the result, also of a job that was
// stopped before its end.
func (c *client) outcome() Outcome {
	now := c.l.now()
	if c.t.measuring {
		c.t.end = now
		c.meter.stop()
	}
	if c.phase != ended {
		c.finish(c.work.established())
	}
	c.work.close()
	o := c.t.outcome()
	if c.beside != nil {
		b := c.beside.outcome()
		o.Beside = &b
	}
	o.Established = c.established
	if c.measured {
		o.Began, o.CPU, o.Busy = c.l.wall(c.t.begin), c.meter.cpu, c.meter.busy
		o.Seconds = time.Duration(c.t.end - c.t.begin).Seconds()
	}
	return o
}
