package table

// Handles returns the servers of s in order.
func Handles(s *Service) []*Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servers
}

// LimitPins bounds the clients that s remembers.
func LimitPins(s *Service, n int) { s.pins.max = n }

// Leaving returns how many removed servers s remembers.
func Leaving(s *Service) int { return len(s.leaving) }

// Pins returns how many clients s remembers.
func Pins(s *Service) int { return len(s.pins.byClient) }

// Neglected returns waiters for whom there is a place, found without the help
// of the queue.
func Neglected(s *Service) []*Waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Waiter
	for _, w := range s.queue.all() {
		if s.couldServe(w) {
			all = append(all, w)
		}
	}
	return all
}

func (s *Service) couldServe(w *Waiter) bool {
	if p := s.pinOf(w.request); p != nil {
		return !p.server.occupied()
	}
	for _, sv := range s.servers {
		if !sv.spec.Sorry && sv.takes(w.request) && s.fits(sv) {
			return true
		}
	}
	return false
}

// Hopeless returns waiters who wait for nothing.
func Hopeless(s *Service) []*Waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Waiter
	for _, w := range s.queue.all() {
		if s.pinOf(w.request) == nil && !s.couldTake(w.request) {
			all = append(all, w)
		}
	}
	return all
}

// PassedOver returns waiters who came before w and would have taken sv.
func PassedOver(s *Service, w *Waiter, sv *Server) []*Waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Waiter
	for _, other := range s.queue.all() {
		if other.turn < w.turn && sv.wants(other.request) {
			all = append(all, other)
		}
	}
	return all
}

// Lines returns how many lines there are in the queue, and clients known to
// have somebody there.
func Lines(s *Service) (lines, kin int) { return len(s.queue.lines), len(s.queue.kin) }
