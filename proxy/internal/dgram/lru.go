package dgram

import "github.com/shunt-lb/shunt/proxy/internal/engine"

// lru is the list of the flows of one class at one port, by their last activity.
type lru struct{ oldest, newest int32 }

// pushNewest makes f the newest of its class.
func (s *flows) pushNewest(p *port, f *flow) {
	a := &p.lru[f.class]
	f.newer, f.older = engine.None, a.newest
	if a.newest != engine.None {
		s.at(a.newest).newer = f.index
	} else {
		a.oldest = f.index
	}
	a.newest = f.index
}

// unlinkLRU removes f from the list of its class.
func (s *flows) unlinkLRU(p *port, f *flow) {
	a := &p.lru[f.class]
	if f.newer != engine.None {
		s.at(f.newer).older = f.older
	} else {
		a.newest = f.older
	}
	if f.older != engine.None {
		s.at(f.older).newer = f.newer
	} else {
		a.oldest = f.newer
	}
}

// raise gives f a higher class, in which it is the newest.
func (s *flows) raise(p *port, f *flow, r class) {
	s.unlinkLRU(p, f)
	f.class = r
	s.pushNewest(p, f)
}

// oldest returns the flow of a class that has been silent longest, nil if there is
// none.
func (s *flows) oldest(p *port, r class) *flow {
	if i := p.lru[r].oldest; i != engine.None {
		return s.at(i)
	}
	return nil
}
