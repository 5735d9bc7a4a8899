package engine

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
)

// Sockets are one socket for each worker at one address. The kernel distributes
// clients among them.
type Sockets struct {
	engine  *Engine
	opening Opening
	binding *binding
	workers []*Worker // what a worker has only it may touch

	mu  sync.Mutex
	fds []int32 // of each of the team, none if it is closed
}

// An Opening describes how to open and close sockets.
type Opening struct {
	Kind *Kind
	// Prepare is called with each socket before it is given to its worker.
	Prepare func(fd int32)
	// Open is called by each worker. The socket belongs to the worker from then
	// on, unless there is an error.
	Open func(w *Worker, fd int32) error
	// Close is called by each worker, and closes the socket.
	Close func(w *Worker, fd int32)
}

// Open makes sockets at addr, even if the host does not have that address yet, and
// makes every worker open its own. IPv6 sockets are for IPv6 alone, so that both
// wildcards fit beside each other. No other program may be bound there; other
// sockets of the engine may be on all addresses, or on one of them. With an error
// nothing is left open.
func (e *Engine) Open(ctx context.Context, addr netip.AddrPort, o Opening) (*Sockets, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	team, err := e.Start()
	if err != nil {
		return nil, err
	}
	fds, at, err := e.bindings.bind(addr, len(team), o.Kind)
	if err != nil {
		return nil, err
	}
	for _, fd := range fds {
		o.Prepare(fd)
	}
	s := &Sockets{engine: e, opening: o, binding: at, workers: team, fds: slices.Clone(fds)}
	errs := askAll(ctx, team, func(i int, w *Worker) error { return o.Open(w, fds[i]) })
	for i, err := range errs {
		if err != nil {
			s.fds[i] = None
			closeUnlessOwned(fds[i], err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
		defer cancel()
		request(late, team, s.close)
		e.bindings.release(at)
		return nil, err
	}
	return s, nil
}

// Close closes the sockets and releases the address. It returns an error if a
// worker has not closed its socket when ctx is done, and may then be called again.
// When all are closed it does nothing.
func (s *Sockets) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.each(ctx, s.close)
	if err == nil {
		s.engine.bindings.release(s.binding)
	}
	return err
}

// Each makes every worker call do with its socket, if that is not closed. It
// returns an error if a worker has not done so when ctx is done.
func (s *Sockets) Each(ctx context.Context, do func(w *Worker, fd int32)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.each(ctx, s.open(do))
}

// Insist is Each, but a worker that is late still calls do after ctx is done.
func (s *Sockets) Insist(ctx context.Context, do func(w *Worker, fd int32)) {
	request(ctx, s.workers, s.open(do))
}

// open returns a function that calls do for a socket that is not closed.
func (s *Sockets) open(do func(w *Worker, fd int32)) func(i int, w *Worker) {
	return func(i int, w *Worker) {
		if s.fds[i] != None {
			do(w, s.fds[i])
		}
	}
}

func (s *Sockets) each(ctx context.Context, do func(i int, w *Worker)) error {
	return exceptClosed(askAll(ctx, s.workers, func(i int, w *Worker) error { do(i, w); return nil }))
}

func (s *Sockets) close(i int, w *Worker) {
	if s.fds[i] != None {
		s.opening.Close(w, s.fds[i])
		s.fds[i] = None
	}
}
