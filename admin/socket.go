package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall" //nolint:depguard // net.ListenConfig.Control speaks in its RawConn

	"golang.org/x/sys/unix"
)

// maxSocketPath is what fits into sun_path, see unix(7).
const maxSocketPath = 107

// A controlListener is a unix socket together with the lock that says whose
// it is.
type controlListener struct {
	net.Listener
	lock *os.File
}

// Close removes the socket, then gives up the claim to its path. Only the
// first call does anything.
func (l *controlListener) Close() error {
	err := l.Listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	return errors.Join(err, os.Remove(l.lock.Name()), l.lock.Close())
}

// listenControl claims path and listens there. A lock beside the socket, held
// for life and dropped by the kernel with the process, decides who may: two
// processes that start at once over a stale socket cannot both replace it.
func listenControl(ctx context.Context, path string) (net.Listener, error) {
	path, err := socketPath(path)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	ln, err := bind(ctx, path)
	if err != nil {
		err = fmt.Errorf("control socket %s: %w", path, err)
		return nil, errors.Join(err, os.Remove(lock.Name()), lock.Close())
	}
	return &controlListener{Listener: ln, lock: lock}, nil
}

// socketPath makes path absolute, so that none means an abstract address,
// which has no owner and no mode.
func socketPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("control socket %s: %w", path, err)
	case len(abs) > maxSocketPath:
		return "", fmt.Errorf("control socket %s: the path has %d bytes, the kernel takes %d", abs, len(abs), maxSocketPath)
	}
	return abs, nil
}

func bind(ctx context.Context, path string) (net.Listener, error) {
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: ownerOnly}
	return lc.Listen(ctx, "unix", path)
}

// ownerOnly sets the mode before the socket gets its name: the kernel gives
// the file the mode of the descriptor, so that there is no moment in which
// others can connect.
func ownerOnly(_, _ string, c syscall.RawConn) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) {
		err = unix.Fchmod(int(fd), 0o600)
	}), err)
}

// removeStale removes a socket at path that nobody listens on any more. The
// caller holds the lock.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("there is a file of that name that is no socket")
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close() // it was made to see whether it could be
		return errors.New("another program listens there")
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("find out whether it is in use: %w", err)
	}
	return os.Remove(path)
}

// lockFile creates path, makes its folder if that alone is missing, and locks
// it for as long as it stays open.
func lockFile(path string) (*os.File, error) {
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := claim(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if stillThere(f) {
			return f, nil
		}
		_ = f.Close() // its owner removed it after it was opened here: make one
	}
}

func claim(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("another shunt%s is running on it", owner(f))
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// owner reads who holds the lock, as far as it has written that already.
func owner(f *os.File) string {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0) // an empty file is an answer too
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

func stillThere(f *os.File) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(mine, named)
}
