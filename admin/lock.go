package admin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockMark begins every lock of shunt's, so that a file of somebody else's
// that happens to have its name is told from one.
const lockMark = "shunt "

// maxLock is how much of a lock is read, in bytes: a mark, a number and a path.
const maxLock = 64 + unix.PathMax

// A lock is a file beside a control socket that says whose that is. It is held
// for life and dropped by the kernel with the process.
type lock struct {
	*os.File
	path string
	// taken over from a shunt that has ended without removing it: then the
	// socket beside it is shunt's, too.
	taken bool
}

// lockFile takes the lock at path for the configuration config. It makes the
// lock's folder if that alone is missing.
func lockFile(path, config string) (*lock, error) {
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := checkOwner(filepath.Dir(path)); err != nil {
		return nil, err
	}
	for {
		l, err := newLock(path, config)
		if errors.Is(err, fs.ErrExist) {
			l, err = takeLock(path, config)
		}
		if err != nil || l != nil {
			return l, err
		}
	}
}

// newLock makes a lock where there is no file yet. It is whole, and held,
// before it gets its name.
func newLock(path, config string) (*lock, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		_, err = f.WriteString(lockText(config))
	}
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &lock{File: f, path: path}, nil
}

// takeLock takes over a lock that is there. It returns none if that is gone by
// now.
func takeLock(path, config string) (*lock, error) {
	// O_NONBLOCK: a pipe of that name must not hang.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // neither is a lock nor a failure: make one
	}
	if err != nil {
		return nil, err
	}
	l := &lock{File: f, path: path, taken: true}
	err = l.claim(config)
	if err == nil && l.named() {
		return l, nil
	}
	return nil, errors.Join(err, f.Close()) // its owner removed it after it was opened here
}

func lockText(config string) string {
	return lockMark + strconv.Itoa(os.Getpid()) + "\n" + config + "\n"
}

// claim makes an open lock this process's own. A file that is no lock of
// shunt's is left as it is.
func (l *lock) claim(config string) error {
	text, err := l.text()
	if err != nil {
		return err
	}
	err = unix.Flock(int(l.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("another shunt%s is running on it", holder(text))
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", l.path, err)
	}
	text = lockText(config)
	if _, err := l.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return l.Truncate(int64(len(text)))
}

// text reads a lock and refuses what is none.
func (l *lock) text() (string, error) {
	info, err := l.Stat()
	if err != nil {
		return "", err
	}
	b := make([]byte, maxLock)
	n := 0
	if info.Mode().IsRegular() {
		if n, err = l.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
	}
	if !strings.HasPrefix(string(b[:n]), lockMark) {
		return "", fmt.Errorf("its lock would be %s, and there is a file of that name that is no lock of shunt's; name another path with --control", l.path)
	}
	return string(b[:n]), nil
}

// holder reads out of a lock who holds it.
func holder(text string) string {
	first, config, _ := strings.Cut(strings.TrimPrefix(text, lockMark), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return ""
	}
	if config = strings.TrimSuffix(config, "\n"); config != "" {
		return fmt.Sprintf(" (process %d, for %s)", pid, config)
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// named reports whether the lock's path still means it.
func (l *lock) named() bool {
	mine, err := l.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(l.path)
	return err == nil && os.SameFile(mine, there)
}

// release removes the lock, if it is still there, and gives it up.
func (l *lock) release() error {
	var err error
	if l.named() {
		err = os.Remove(l.path)
	}
	return errors.Join(err, l.Close())
}
