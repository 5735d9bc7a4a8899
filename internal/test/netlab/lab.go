// Package netlab builds small networks out of network namespaces, veth pairs
// and bridges: the machines of a director's surroundings inside one process,
// for tests and for the benchmark.
//
// Namespaces have no name in /run/netns. They live as long as the process and
// what runs in them, so that nothing stays behind however the process ends.
// A namespace's Path works wherever a tool takes one.
package netlab

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ErrClosed is what a closed lab and its namespaces return.
var ErrClosed = errors.New("lab is closed")

// A Lab owns namespaces, the links between them and the processes started in
// them. Its methods may be called from several goroutines at once.
type Lab struct {
	mu         sync.Mutex
	closed     bool
	namespaces []*Namespace
	processes  []*Process
}

// New returns an empty lab, or an error matching fs.ErrPermission where the
// process may not make network namespaces (it needs CAP_SYS_ADMIN).
func New() (*Lab, error) {
	l := &Lab{}
	probe, err := l.Namespace("probe")
	if err != nil {
		return nil, err
	}
	l.namespaces = nil
	return l, probe.close()
}

// Namespace makes a network namespace with lo up, in which IPv6 addresses can
// be used the moment they are added. The name is for messages only.
func (l *Lab) Namespace(name string) (*Namespace, error) {
	handle, err := detached()
	if err != nil {
		return nil, fmt.Errorf("make network namespace %s: %w", name, err)
	}
	n, err := l.adopt(name, handle)
	if err != nil {
		return nil, err
	}
	return n, n.prepare()
}

// Here returns the namespace the process itself lives in as a part of the lab,
// to connect others to it. Nothing in it is changed.
func (l *Lab) Here(name string) (*Namespace, error) {
	handle, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open this network namespace as %s: %w", name, err)
	}
	return l.adopt(name, handle)
}

// Close ends the processes started in the lab, waits for them and gives the
// namespaces back. Sockets that are still open keep working in what is left of
// theirs. Closing again returns nil.
func (l *Lab) Close() error {
	l.mu.Lock()
	l.closed = true
	processes, namespaces := l.processes, l.namespaces
	l.processes, l.namespaces = nil, nil
	l.mu.Unlock()

	for _, p := range slices.Backward(processes) {
		p.Stop()
	}
	var errs []error
	for _, n := range slices.Backward(namespaces) {
		errs = append(errs, n.close())
	}
	return errors.Join(errs...)
}

// adopt makes handle, which it owns from now on, a namespace of the lab.
func (l *Lab) adopt(name string, handle netns.NsHandle) (*Namespace, error) {
	// Without a list of families NewHandleAt wants all of them, and many
	// kernels have no xfrm.
	links, err := netlink.NewHandleAt(handle, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open netlink in %s: %w", name, err), handle.Close())
	}
	n := &Namespace{name: name, lab: l, handle: handle, links: links}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.Join(ErrClosed, n.close())
	}
	l.namespaces = append(l.namespaces, n)
	return n, nil
}

// detached makes a namespace that nothing but the returned handle keeps.
func detached() (handle netns.NsHandle, err error) {
	onOwnThread(func() {
		var home netns.NsHandle
		if home, err = netns.Get(); err != nil {
			runtime.UnlockOSThread()
			return
		}
		defer home.Close()
		handle, err = netns.New()
		goHome(home)
	})
	return handle, err
}

// onOwnThread runs fn on a goroutine that is locked to its thread and waits.
// The thread goes back to the runtime only if fn unlocks it.
func onOwnThread(fn func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		fn()
	})
	wg.Wait()
}

// goHome takes the thread back to its namespace. Where that cannot be done the
// goroutine stays locked, and the runtime ends the thread with it.
func goHome(home netns.NsHandle) {
	if netns.Set(home) == nil {
		runtime.UnlockOSThread()
	}
}
