package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// renewal is the time between two looks at whether a control socket is still
// there.
const renewal = time.Second

// A controlListener is a unix socket together with the lock that names its owner.
// Each is made again if it is removed while the listener is open.
type controlListener struct {
	controlSocket
	log   *slog.Logger
	once  sync.Once // of Close
	stop  chan struct{}
	tends sync.WaitGroup

	mu    sync.Mutex
	bound *boundSocket
	lock  *lock // not guarded: of tend and, after it, of Close
}

// listenControl claims s.path and listens there. The lock, which the process
// holds until it ends, decides who may listen: two processes that start at once
// over a stale socket cannot both replace it.
func listenControl(ctx context.Context, s controlSocket, log *slog.Logger) (net.Listener, error) {
	var err error
	if s.path, err = socketPath(s.path); err != nil {
		return nil, err
	}
	lock, err := lockFile(s.path+".lock", s.config)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", s.path, err)
	}
	bound, err := s.bind(ctx, lock.taken)
	if err != nil {
		err = fmt.Errorf("control socket %s: %w", s.path, err)
		return nil, errors.Join(err, lock.release())
	}
	l := &controlListener{controlSocket: s, log: log, stop: make(chan struct{}), bound: bound, lock: lock}
	l.tends.Go(l.tend)
	return l, nil
}

// Accept implements net.Listener.
func (l *controlListener) Accept() (net.Conn, error) {
	for {
		b := l.current()
		c, err := b.Accept()
		if !errors.Is(err, net.ErrClosed) || l.current() == b {
			return c, err
		}
	}
}

// Addr implements net.Listener.
func (l *controlListener) Addr() net.Addr { return l.current().Addr() }

func (l *controlListener) current() *boundSocket {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bound
}

// Close removes the socket, then gives up the claim to its path. Only the
// first call does anything.
func (l *controlListener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.stop)
		l.tends.Wait()
		err = errors.Join(l.bound.close(), l.lock.release())
	})
	return err
}

// tend restores the files until the listener is closed.
func (l *controlListener) tend() {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	told := ""
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		if l.lock.named() && l.bound.named() {
			continue
		}
		err := l.renew()
		switch {
		case err == nil:
			l.log.Warn("the control socket was removed, it is there again", "path", l.path)
			told = ""
		case err.Error() != told:
			l.log.Error("the control socket was removed and cannot be made again; shunt goes on trying", "path", l.path, "err", err)
			told = err.Error()
		}
	}
}

// renew makes those of lock and socket again that are gone.
func (l *controlListener) renew() error {
	if !l.lock.named() {
		lock, err := lockFile(l.lock.path, l.config)
		if err != nil {
			return err
		}
		_ = l.lock.Close() // of a file that has no name any more
		l.lock = lock
	}
	if l.bound.named() {
		return nil
	}
	bound, err := l.bind(context.Background(), true)
	if err != nil {
		return err
	}
	l.mu.Lock()
	old := l.bound
	l.bound = bound
	l.mu.Unlock()
	return old.close()
}
