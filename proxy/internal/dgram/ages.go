package dgram

import "github.com/shunt-lb/shunt/proxy/internal/engine"

// ages hold the flows of one rank at one port by when something last moved on
// them.
type ages struct{ oldest, newest int32 }

// join makes f the newest of its rank.
func (s *flows) join(p *port, f *flow) {
	a := &p.ages[f.rank]
	f.newer, f.older = engine.None, a.newest
	if a.newest != engine.None {
		s.at(a.newest).newer = f.index
	} else {
		a.oldest = f.index
	}
	a.newest = f.index
}

// quit takes f out of its rank.
func (s *flows) quit(p *port, f *flow) {
	a := &p.ages[f.rank]
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

// raise gives f a higher rank, in which it is the newest.
func (s *flows) raise(p *port, f *flow, r rank) {
	s.quit(p, f)
	f.rank = r
	s.join(p, f)
}

// oldest returns the flow of a rank that has been silent longest, nil if there
// is none.
func (s *flows) oldest(p *port, r rank) *flow {
	if i := p.ages[r].oldest; i != engine.None {
		return s.at(i)
	}
	return nil
}
