package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// errExited is what is left of a function that never returned.
var errExited = errors.New("the function ended its goroutine")

// A Namespace is one network namespace of a lab. Its methods may be called
// from several goroutines at once.
type Namespace struct {
	name string
	lab  *Lab

	mu     sync.RWMutex // held to use handle, for writing to close it
	closed bool
	handle netns.NsHandle
	links  *netlink.Handle
}

// String returns the name.
func (n *Namespace) String() string { return n.name }

// Path returns a path by which other processes reach the namespace, as
// nsenter --net=PATH does, while the lab is open.
func (n *Namespace) Path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(n.handle))
}

// Do runs fn inside the namespace and returns its error. fn has a goroutine
// and a thread of its own; what it opens stays in the namespace, goroutines it
// starts do not. It must not call FailNow or Skip of a test.
func (n *Namespace) Do(fn func() error) error {
	err := errExited
	onOwnThread(func() { err = n.visit(fn) })
	if errors.Is(err, errExited) || errors.Is(err, ErrClosed) {
		return fmt.Errorf("in network namespace %s: %w", n.name, err)
	}
	return err
}

// visit takes the locked thread into the namespace and back.
func (n *Namespace) visit(fn func() error) error {
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	defer goHome(home)
	if err := n.enter(); err != nil {
		return err
	}
	return fn()
}

func (n *Namespace) enter() error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return ErrClosed
	}
	if err := netns.Set(n.handle); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", n.name, err)
	}
	return nil
}

// Listen is net.Listen inside the namespace.
func (n *Namespace) Listen(network, address string) (ln net.Listener, err error) {
	err = n.Do(func() error {
		ln, err = net.Listen(network, address)
		return err
	})
	return ln, err
}

// Discard accepts connections and reads what comes until ln is closed. It answers
// nothing.
func Discard(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}()
	}
}

// ListenPacket is net.ListenPacket inside the namespace.
func (n *Namespace) ListenPacket(network, address string) (pc net.PacketConn, err error) {
	err = n.Do(func() error {
		pc, err = net.ListenPacket(network, address)
		return err
	})
	return pc, err
}

// Dial connects from inside the namespace. The address has to be a literal
// one: names are looked up by goroutines that are not inside.
func (n *Namespace) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = n.Do(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

func (n *Namespace) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	n.links.Close()
	return n.handle.Close()
}
