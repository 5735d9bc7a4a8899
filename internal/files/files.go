// Package files opens files whose names come from a configuration, and never
// hangs: it refuses a pipe or a device, and a file system that does not answer
// costs its own attempt alone.
package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is the time limit for one attempt at a file system.
const Patience = 5 * time.Second

// ErrNotRegular matches the error for a path that is neither a regular file nor a
// symbolic link to one.
var ErrNotRegular = errors.New("not a regular file")

// Open opens the regular file at path for reading. It does not wait for the
// writer of a pipe or for a device. It waits for the file system without limit:
// see [Try].
func Open(path string) (*os.File, error) {
	return regular(os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0))
}

// OpenIn is Open for the file called name inside a folder: symbolic links that
// lead out of it are refused.
func OpenIn(dir *os.Root, name string) (*os.File, error) {
	return regular(dir.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0))
}

// regular checks the open file and not its name, which may mean another file by
// now.
func regular(f *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: f.Name(), Err: ErrNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Read returns the first bytes of the regular file at path, at most limit,
// within Patience.
func Read(path string, limit int64) ([]byte, error) {
	return Try(context.Background(), path, func() ([]byte, error) {
		f, err := Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // it was only read
		var b bytes.Buffer
		if info, err := f.Stat(); err == nil {
			b.Grow(int(min(info.Size(), limit)) + bytes.MinRead) // reading takes no more than the file
		}
		_, err = b.ReadFrom(io.LimitReader(f, limit))
		return b.Bytes(), err
	})
}

// ReadDir returns the entries of the folder at path, within Patience.
func ReadDir(path string) ([]fs.DirEntry, error) {
	return Try(context.Background(), path, func() ([]fs.DirEntry, error) {
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // it was only read
		return f.ReadDir(-1)
	})
}

// Readable returns why the regular file at path cannot be opened, within Patience
// and ctx.
func Readable(ctx context.Context, path string) error {
	_, err := Try(ctx, path, func() (struct{}, error) {
		f, err := Open(path)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, f.Close()
	})
	return err
}

// Stat is [os.Stat] within Patience.
func Stat(path string) (fs.FileInfo, error) {
	return Try(context.Background(), path, func() (fs.FileInfo, error) { return os.Stat(path) })
}

// OpenAppend opens the file at path for appending, and makes it if there is none,
// within Patience. A pipe must have a reader.
func OpenAppend(path string, mode fs.FileMode) (*os.File, error) {
	return Try(context.Background(), path, func() (*os.File, error) { return openAppend(path, mode) })
}

func openAppend(path string, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|unix.O_NONBLOCK, mode)
}

// Append adds text to the file at path, which it makes if there is none, within
// Patience. A pipe must have a reader.
func Append(path, text string, mode fs.FileMode) error {
	_, err := Try(context.Background(), path, func() (struct{}, error) {
		f, err := openAppend(path, mode)
		if err != nil {
			return struct{}{}, err
		}
		// Only pipes and the like have a deadline. A reader that does not read must
		// not count as a file system that hangs.
		_ = f.SetWriteDeadline(time.Now().Add(Patience * 9 / 10))
		_, err = f.WriteString(text)
		return struct{}{}, errors.Join(err, f.Close())
	})
	return err
}

// ErrHangs matches the error for a file system that has not answered in time.
var ErrHangs = errors.New("the file system has not answered")

// hanging holds, for each path with an attempt that has outlasted its time limit,
// when the first such attempt began.
var hanging = struct {
	sync.Mutex
	since map[string]time.Time
}{since: map[string]time.Time{}}

// Try runs f, which does something with the file at path, and returns its result,
// or an error after Patience or when ctx is done. The limit is shorter while other
// paths hang, so that a file system which does not answer takes seconds in all and
// not for each of its files. After the error f goes on, because a system call that
// waits for a file system cannot be cancelled. Until it ends, further attempts at
// the path fail at once.
func Try[T any](ctx context.Context, path string, f func() (T, error)) (T, error) {
	var none T
	if since, yes := hangs(path); yes {
		return none, hangError(path, since)
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	began := time.Now()
	go func() {
		v, err := f()
		done <- result{v, err}
		recovered(path, began)
	}()
	ctx, cancel := context.WithTimeout(ctx, patience())
	defer cancel()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		hung(path, began)
	}
	select {
	case r := <-done: // at the last moment
		recovered(path, began)
		return r.value, r.err
	default:
		return none, hangError(path, began)
	}
}

// mostHalved is the greatest number of times that Patience is halved, once for
// each path that hangs.
const mostHalved = 6

// patience returns the time limit of an attempt that begins now.
func patience() time.Duration {
	hanging.Lock()
	defer hanging.Unlock()
	return Patience >> min(len(hanging.since), mostHalved)
}

func hangError(path string, since time.Time) error {
	return fmt.Errorf("%s: %w for %v", path, ErrHangs, time.Since(since).Round(time.Second))
}

func hung(path string, began time.Time) {
	hanging.Lock()
	defer hanging.Unlock()
	if _, already := hanging.since[path]; !already {
		hanging.since[path] = began
	}
}

// recovered forgets an attempt that has come to an end.
func recovered(path string, began time.Time) {
	hanging.Lock()
	defer hanging.Unlock()
	if hanging.since[path].Equal(began) {
		delete(hanging.since, path)
	}
}

// hangs returns when an attempt at path that still hangs began, if there is one.
func hangs(path string) (time.Time, bool) {
	hanging.Lock()
	defer hanging.Unlock()
	since, yes := hanging.since[path]
	return since, yes
}
