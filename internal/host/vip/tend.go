package vip

import "time"

// lossPause is a pause in listening after reports were lost.
const lossPause = time.Second

// listen wakes tend whenever the kernel reports a change of a link. It ends when
// the socket is closed.
func (m *Manager) listen() {
	for {
		_, _, err := m.events.Receive()
		m.poke()
		if err == nil {
			continue
		}
		// Either the socket is closed or reports were lost. In the second case
		// there are very many, and more will be lost.
		select {
		case <-m.stop:
			return
		case <-time.After(lossPause):
		}
	}
}

// poke wakes tend.
func (m *Manager) poke() {
	select {
	case m.look <- struct{}{}:
	default: // it is awake already
	}
}

// tend reads the links, and announces addresses when they are due, until m is
// closed.
func (m *Manager) tend() {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-m.look:
		case <-again.C:
		case <-due.C:
		}
		due.Reset(m.update(time.Now()))
	}
}

// update reconciles and announces, and returns the time until the next
// announcement.
func (m *Manager) update(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return lookAgain
	}
	before := map[Address]string{}
	for a, h := range m.held {
		before[a] = text(h.err)
	}
	links := m.reconcile()
	for _, a := range m.addresses() {
		if h := m.held[a]; h.err != nil && text(h.err) != before[a] {
			m.log.Warn("virtual address is missing", "address", a.Addr, "link", a.Link, "err", h.err)
		}
	}
	return m.announce(links, now)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
