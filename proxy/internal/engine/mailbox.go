package engine

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A mailbox holds functions that other goroutines want a worker to call. An eventfd
// wakes the worker.
type mailbox struct {
	fd int32

	mu     sync.Mutex
	todo   []func()
	closed bool
}

func newMailbox() (*mailbox, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &mailbox{fd: int32(fd)}, nil
}

// begin lets the worker call f, unless it has ended.
func (m *mailbox) begin(f func() error) *task {
	t := &task{done: make(chan error, 1)}
	if !m.post(func() { t.run(f) }) {
		t.done <- ErrClosed
	}
	return t
}

func (m *mailbox) post(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.todo = append(m.todo, f)
	m.wake()
	return true
}

// wake wakes the worker. It takes no lock, since a worker that is stuck might hold
// it.
func (m *mailbox) wake() {
	one := uint64(1)
	_, _ = unix.Write(int(m.fd), (*[8]byte)(unsafe.Pointer(&one))[:])
}

// run calls the posted functions.
func (m *mailbox) run() {
	var n [8]byte
	_, _ = unix.Read(int(m.fd), n[:])
	m.mu.Lock()
	todo := m.todo
	m.todo = nil
	m.mu.Unlock()
	for _, f := range todo {
		f()
	}
}

// close calls the posted functions, and refuses further ones.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.run()
	_ = unix.Close(int(m.fd))
}
