package loop

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A mailbox holds what others want a worker to do. An eventfd wakes it.
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

// do has f done by the worker and waits for it. It returns false if the worker
// has ended.
func (m *mailbox) do(f func()) bool {
	done := make(chan struct{})
	if !m.post(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

func (m *mailbox) post(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.todo = append(m.todo, f)
	one := uint64(1)
	_, _ = unix.Write(int(m.fd), (*[8]byte)(unsafe.Pointer(&one))[:])
	return true
}

// open does what has been asked for.
func (m *mailbox) open() {
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

// close does the last of it and takes nothing more.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.open()
	_ = unix.Close(int(m.fd))
}
