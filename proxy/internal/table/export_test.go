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
