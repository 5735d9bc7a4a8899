package load

import (
	"time"

	"github.com/shunt-lb/shunt/bench/result"
)

// A rule says which operations count.
type rule uint8

const (
	nothing    rule = iota
	faultsOnly      // the questions at the end of Idle
	everything      // Idle, while connections are opened
	byStart         // at a rate
	byEnd           // in a closed loop
)

// A tally counts the results of operations. Times are those of the loop.
type tally struct {
	rule       rule
	measuring  bool  // within the measured time
	begin, end int64 // of the measured time
	interval   int64
	operations uint64
	sent       uint64
	received   uint64
	broken     uint64
	faults     faults
	reals      []uint64 // by the real server's number
	latency    Latency
	timeline   []result.Moment
}

func newTally(interval, duration time.Duration) *tally {
	t := &tally{interval: int64(interval), reals: make([]uint64, 1<<16)}
	t.latency.histogram()
	if interval <= 0 {
		return t
	}
	t.timeline = make([]result.Moment, (duration+interval-1)/interval)
	for i := range t.timeline {
		t.timeline[i].At = (time.Duration(i) * interval).Seconds()
	}
	return t
}

func (t *tally) good(began, now int64, number uint16) {
	if !t.counts(began, now) || t.rule == faultsOnly {
		return
	}
	t.operations++
	t.reals[number]++
	t.latency.Record(time.Duration(now - began))
	if m := t.moment(began); m != nil {
		m.Good++
	}
}

func (t *tally) bad(began, now int64, f fault) {
	if !t.counts(began, now) {
		return
	}
	t.faults[f]++
	if m := t.moment(began); m != nil {
		m.Lost++
	}
}

// unexpected counts a fault that belongs to no operation.
func (t *tally) unexpected(f fault) {
	if t.rule != nothing {
		t.faults[f]++
	}
}

func (t *tally) connectionLost(now int64) {
	if t.rule == everything || t.rule != nothing && now >= t.begin {
		t.broken++
	}
}

func (t *tally) counts(began, now int64) bool {
	switch t.rule {
	case byStart:
		return began >= t.begin && began < t.end
	case byEnd:
		return now >= t.begin && now < t.end
	default:
		return t.rule != nothing
	}
}

// carried counts payload bytes.
func (t *tally) carried(sent, received int) {
	if t.measuring {
		t.sent += uint64(sent)
		t.received += uint64(received)
	}
}

func (t *tally) moment(began int64) *result.Moment {
	if t.interval <= 0 || began < t.begin {
		return nil
	}
	if i := (began - t.begin) / t.interval; i < int64(len(t.timeline)) {
		return &t.timeline[i]
	}
	return nil
}

// outcome returns the counts, without the fields that only the client knows.
func (t *tally) outcome() Outcome {
	o := Outcome{Operations: t.operations, Sent: t.sent, Received: t.received, Broken: t.broken, Latency: t.latency, Timeline: t.timeline}
	o.Failures, o.Errors = t.faults.byKind()
	for number, n := range t.reals {
		if n == 0 {
			continue
		}
		if o.Reals == nil {
			o.Reals = map[int]uint64{}
		}
		o.Reals[number] = n
	}
	return o
}
