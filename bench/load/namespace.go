package load

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// A namespaces moves its thread between network namespaces, so that sockets can
// be opened in several of them.
type namespaces struct {
	home int // descriptor of where the thread was first; -1 if it never left
	at   string
}

// enter takes the thread to the namespace at path, home if empty. The thread
// is locked and must not be given back to the runtime afterwards.
func (t *namespaces) enter(path string) error {
	if path == t.at {
		return nil
	}
	if t.home < 0 {
		runtime.LockOSThread()
		home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open this network namespace: %w", err)
		}
		t.home = home
	}
	fd := t.home
	if path != "" {
		there, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open network namespace %s: %w", path, err)
		}
		defer unix.Close(there)
		fd = there
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %q: %w", path, err)
	}
	t.at = path
	return nil
}

func (t *namespaces) close() {
	if t.home >= 0 {
		closeDescriptor(int32(t.home))
	}
}
