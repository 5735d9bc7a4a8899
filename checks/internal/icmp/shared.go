package icmp

import "sync"

// A sharedSocket is open while somebody uses it: a process has one ICMP
// socket in a family at most, however many pings are under way, and none when
// there are none.
type sharedSocket struct {
	mu    sync.Mutex
	s     *socket
	users int
}

// acquire returns the socket, opened if need be. Each one needs a release.
func (sh *sharedSocket) acquire(fam *family) (*socket, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.users == 0 {
		s, err := open(fam)
		if err != nil {
			return nil, err
		}
		sh.s = s
	}
	sh.users++
	return sh.s, nil
}

// release closes the socket with its last user.
func (sh *sharedSocket) release() {
	sh.mu.Lock()
	s := sh.s
	sh.users--
	last := sh.users == 0
	sh.mu.Unlock()
	if last {
		s.close()
	}
}
