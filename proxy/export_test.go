package proxy

// Sources returns how many sources of clients are remembered by all services,
// and what all of them have.
func (d *Dataplane) Sources() (known, having int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.services {
		k, h := s.shared.Screen.Sources()
		known, having = known+k, having+h
	}
	return known, having
}
