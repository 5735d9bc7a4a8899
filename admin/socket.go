package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall" //nolint:depguard // net.ListenConfig.Control speaks in its RawConn

	"golang.org/x/sys/unix"
)

// maxSocketPath is what fits into sun_path, see unix(7).
const maxSocketPath = 107

// A controlSocket is the place and the owner of a control socket.
type controlSocket struct {
	path   string
	config string // the file whose director it is
	group  int    // may open it as well; 0 for none
}

// socketPath makes path absolute, so that it cannot mean an abstract address,
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

// A boundSocket is a listener and the file that it made.
type boundSocket struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

// bind listens at s.path. A socket that nobody listens on any more is replaced
// if it is shunt's own, left by one that was killed.
func (s controlSocket) bind(ctx context.Context, own bool) (*boundSocket, error) {
	if err := removeStale(ctx, s.path, own); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: ownerOnly}
	ln, err := lc.Listen(ctx, "unix", s.path)
	if err != nil {
		return nil, err
	}
	b := &boundSocket{UnixListener: ln.(*net.UnixListener), path: s.path}
	b.SetUnlinkOnClose(false) // close checks whose file it is
	b.file, err = os.Lstat(s.path)
	if err == nil && s.group != 0 {
		err = cmp.Or(os.Lchown(s.path, -1, s.group), os.Chmod(s.path, 0o660))
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// named reports whether the socket's path still leads to it.
func (b *boundSocket) named() bool {
	there, err := os.Lstat(b.path)
	return err == nil && os.SameFile(b.file, there)
}

// close removes the socket, if it is still there, and stops listening.
func (b *boundSocket) close() error {
	var err error
	if b.file != nil && b.named() {
		err = os.Remove(b.path)
	}
	return errors.Join(err, b.Close())
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

// removeStale removes a socket of shunt's own at path that nobody listens on
// any more. The caller holds the lock.
func removeStale(ctx context.Context, path string, own bool) error {
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
	switch {
	case err == nil:
		_ = conn.Close() // it was a test only
		return errors.New("another program listens there")
	case !errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("find out whether it is in use: %w", err)
	case !own:
		return fmt.Errorf("there is a socket that nobody listens on and that has no lock of shunt's beside it: rm %s if it is not wanted, or name another path with --control", path)
	}
	return os.Remove(path)
}
