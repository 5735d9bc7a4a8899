package dataplanetest

import (
	"fmt"
	"sync"
	"sync/atomic"
)

var replacing = []promise{
	{"replace/under load", "no connection fails while real servers are added, reweighted and removed", replaceUnderLoad},
}

// rounds are the changes that are made under load. One real server at least
// always serves; each leaves and comes back in each round.
var rounds = [][]int{
	{1, 1, absent},
	{1, 1, 1},
	{0, 1, 3},
	{absent, 1, 1},
	{absent, absent, 1},
	{2, absent, 1},
	{2, absent, 0},
	{1, absent, absent},
	{1, 1, 1},
	{1, 0, absent},
}

func replaceUnderLoad(s *fixture) {
	p := s.tcpService("wrr", 1, 1, absent)
	rounds := rounds
	if s.lab.Lacks.CutsRemoved {
		rounds = quiescent(rounds)
	}
	p.apply()
	load := p.load(4)
	for i := range s.size(100) {
		p.weigh(rounds[i%len(rounds)]...)
		// Every state has to see traffic of its own.
		seen := load.visits.Load()
		s.until("clients go on", func() bool { return load.failed() || load.visits.Load() >= seen+8 })
		if load.failed() {
			break
		}
	}
	for _, err := range load.stop() {
		s.Errorf("a client failed while real servers came and went: %v", err)
	}
}

// quiescent lets real servers go by weight 0 only.
func quiescent(rounds [][]int) [][]int {
	var out [][]int
	for _, weights := range rounds {
		var w []int
		for _, n := range weights {
			w = append(w, max(n, 0))
		}
		out = append(out, w)
	}
	return out
}

// A load is a group of clients that connect all the time.
type load struct {
	visits  atomic.Int64
	stopped atomic.Bool
	clients sync.WaitGroup

	mu   sync.Mutex
	errs []error
}

func (p *service) load(clients int) *load {
	l := &load{}
	for i := range clients {
		l.clients.Go(func() { l.run(p, i) })
	}
	p.Cleanup(func() { l.stop() })
	return l
}

func (l *load) run(p *service, client int) {
	for !l.stopped.Load() {
		if name, err := p.visit(client); err != nil {
			l.mu.Lock()
			l.errs = append(l.errs, fmt.Errorf("real server %q: %w", name, err))
			l.mu.Unlock()
			return
		}
		l.visits.Add(1)
	}
}

func (l *load) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.errs) > 0
}

// stop waits for the clients and returns what went wrong.
func (l *load) stop() []error {
	l.stopped.Store(true)
	l.clients.Wait()
	return l.errs
}
