// Package conffile follows a configuration file: whether it has changed, and when to
// look again for what it waits for.
package conffile

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/files"
)

// A File is the configuration file, with the files that it includes, and its latest
// known state. It is not safe for concurrent use, Look excepted.
type File struct {
	Path    string
	stamp   Stamp // at the latest read
	seen    Stamp // at the latest look
	digest  [sha256.Size]byte
	missing bool
	young   bool // the stamp alone does not say that it has not changed
	// watched are the paths of included files, and their folders, at the latest read.
	watched atomic.Pointer[[]string]
}

// A Stamp shows cheaply that a file, or one that it includes, may have changed. It is
// that of the file which symbolic links lead to, and shows also a file that was moved
// into place with an old time.
type Stamp struct {
	file    identity
	others  [sha256.Size]byte // of the identities of included files and their folders
	changed int64             // when any of them was changed last, in Unix seconds
}

// An identity is the zero value for what cannot be read.
type identity struct {
	dev, ino, size    int64
	modified, changed unix.Timespec
}

// clockGrain is how coarse the times of a file system may be. A file changed
// less than that ago can change again and keep its times.
const clockGrain = 2 * time.Second

// Load reads the file and those that it includes, and remembers their state. It
// refuses a pipe: opening one waits for its writer, and would block all reloads.
func (f *File) Load() (*config.Source, error) {
	info, err := files.Stat(f.Path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", f.Path)
	}
	stamp, now := f.Look(), time.Now()
	src, err := config.ReadSource(f.Path)
	if err != nil {
		return nil, err
	}
	if f.watch(src.Watched()) {
		stamp = f.Look() // what was changed between is young
	}
	f.stamp, f.digest, f.missing = stamp, src.Digest(), false
	f.young = now.Sub(time.Unix(stamp.changed, 0)) < clockGrain
	return src, nil
}

// watch sets the paths that are watched beside the file, and reports whether they
// are others than before.
func (f *File) watch(paths []string) (others bool) {
	before := f.watched.Swap(&paths)
	return before == nil && len(paths) > 0 || before != nil && !slices.Equal(*before, paths)
}

// Look returns the stamp that the file has now, the zero value if it cannot be read.
func (f *File) Look() Stamp {
	file := identify(f.Path)
	if file == (identity{}) {
		return Stamp{}
	}
	s := Stamp{file: file, changed: file.changed.Sec}
	paths := f.watched.Load()
	if paths == nil || len(*paths) == 0 {
		return s
	}
	h := sha256.New()
	for _, path := range *paths {
		id := identify(path)
		fmt.Fprintln(h, id)
		s.changed = max(s.changed, id.changed.Sec)
	}
	h.Sum(s.others[:0])
	return s
}

func identify(path string) identity {
	st, err := files.Try(context.Background(), path, func() (st unix.Stat_t, err error) {
		err = unix.Stat(path, &st)
		return st, err
	})
	if err != nil {
		return identity{}
	}
	return identity{dev: int64(st.Dev), ino: int64(st.Ino), size: st.Size, modified: st.Mtim, changed: st.Ctim}
}

// Changed reports whether the content of the file, or of one that it includes, differs
// from what was read last, and an error when the file has become unreadable, once. A file that is
// being written is left alone until two looks in a row find it the same.
func (f *File) Changed() (bool, error) {
	now, before := f.Look(), f.seen
	f.seen = now
	if now != before || now == f.stamp && !f.missing && !f.young {
		return false, nil
	}
	digest := f.digest
	_, err := f.Load()
	if err != nil {
		told := f.missing
		f.missing = true
		if told {
			err = nil
		}
		return false, err
	}
	return f.digest != digest, nil
}

// Settled returns the stamp of what was read last, false if a look has found it
// changed since. Of a file that cannot be read it is that of the last look.
func (f *File) Settled() (Stamp, bool) {
	switch {
	case f.missing:
		return f.seen, true
	case f.seen == Stamp{}: // nobody has looked
		return f.stamp, true
	}
	return f.stamp, f.seen == f.stamp
}

// Forget makes the next look find the file changed.
func (f *File) Forget() { f.digest, f.young = [sha256.Size]byte{}, true }
