package vip

import "time"

// breather is a pause in listening after reports were lost.
const breather = time.Second

// listen has the links looked at whenever the kernel reports a change of one.
// It ends when the socket is closed.
func (m *Manager) listen() {
	for {
		_, _, err := m.events.Receive()
		m.poke()
		if err == nil {
			continue
		}
		// It is closed, or reports were lost, which is bound to go on when
		// there are very many.
		select {
		case <-m.stop:
			return
		case <-time.After(breather):
		}
	}
}

// poke has the links looked at soon.
func (m *Manager) poke() {
	select {
	case m.look <- struct{}{}:
	default: // it is asked for already
	}
}

// tend looks at the links, and announces addresses when they are due, until
// m is closed.
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
		due.Reset(m.turn(time.Now()))
	}
}

// turn puts everything right that can be, and returns after how long there is
// something to do again.
func (m *Manager) turn(now time.Time) time.Duration {
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
