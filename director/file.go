package director

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/files"
)

// filePeriod is the time between two looks at the configuration file.
const filePeriod = time.Second

// A file is the configuration file and its latest known state. Its methods are
// called with loader.reading held.
type file struct {
	path    string
	stamp   stamp // at the latest read
	seen    stamp // at the latest look
	digest  [sha256.Size]byte
	missing bool
	young   bool // the stamp alone does not say that it has not changed
}

// A stamp shows cheaply that a file may have changed. It is that of the file which
// symbolic links lead to, and shows also a file that was moved into place with an
// old time.
type stamp struct {
	dev, ino, size    int64
	modified, changed unix.Timespec
}

// clockGrain is how coarse the times of a file system may be. A file changed
// less than that ago can change again and keep its times.
const clockGrain = 2 * time.Second

// load reads the file and remembers its state. It refuses a pipe: opening one
// waits for its writer, and would block all reloads.
func (f *file) load() ([]byte, error) {
	info, err := files.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", f.path)
	}
	stamp, now := f.look(), time.Now()
	text, err := config.ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	f.stamp, f.digest, f.missing = stamp, sha256.Sum256(text), false
	f.young = now.Sub(time.Unix(stamp.changed.Unix())) < clockGrain
	return text, nil
}

func (f *file) look() stamp {
	st, err := files.Try(context.Background(), f.path, func() (st unix.Stat_t, err error) {
		err = unix.Stat(f.path, &st)
		return st, err
	})
	if err != nil {
		return stamp{}
	}
	return stamp{dev: int64(st.Dev), ino: int64(st.Ino), size: st.Size, modified: st.Mtim, changed: st.Ctim}
}

// changed reports whether the file's content differs from what was read last,
// and an error when the file has become unreadable, once. A file that is
// being written is left alone until two looks in a row find it the same.
func (f *file) changed() (bool, error) {
	now, before := f.look(), f.seen
	f.seen = now
	if now != before || now == f.stamp && !f.missing && !f.young {
		return false, nil
	}
	digest := f.digest
	_, err := f.load()
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

// settled returns the stamp of what was read last, false if a look has found it
// changed since. Of a file that cannot be read it is that of the last look.
func (f *file) settled() (stamp, bool) {
	switch {
	case f.missing:
		return f.seen, true
	case f.seen == stamp{}: // nobody has looked
		return f.stamp, true
	}
	return f.stamp, f.seen == f.stamp
}

// read reads and parses the file. Errors of the file itself are fit to be
// shown as they are.
func (l *loader) read(ctx context.Context) (*config.Config, []byte, error) {
	text, err := l.file.load()
	if err != nil {
		return nil, nil, err
	}
	conf, err := l.o.Parse(ctx, text)
	return conf, text, err
}

// forget makes the next look find the file changed.
func (f *file) forget() { f.digest, f.young = [sha256.Size]byte{}, true }

// every calls look once in each period until the stop begins.
func (l *loader) every(period time.Duration, look func()) {
	tick := time.NewTimer(untilNext(period))
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-tick.C:
			tick.Reset(untilNext(period))
			look()
		}
	}
}

// untilNext returns the time until the next whole multiple of a period: tasks that
// run at the same time wake an idle process only once.
func untilNext(period time.Duration) time.Duration {
	now := time.Now()
	return now.Truncate(period).Add(period).Sub(now)
}

// lookAtFile reloads the configuration file if it has changed and autoreload is
// set, and runs the callback in either case.
func (l *loader) lookAtFile() {
	l.search.cancelIfChanged(l.file.look)
	select {
	case l.reading <- struct{}{}:
		defer l.unlock()
	default: // there is another look in a second
		return
	}
	changed, err := l.file.changed()
	if err != nil {
		l.logUnreadable(err)
	}
	if !changed {
		return
	}
	global := l.current.Global // the callback is that of the configuration before
	if global.AutoReload {
		l.log.Info("configuration file has changed on disk, reading it", "file", l.file.path)
		_ = l.reload(l.ctx, true) // reload logs it and keeps it for the status
	} else {
		l.log.Info("configuration file has changed on disk, ignored: autoreload=no", "file", l.file.path)
	}
	if global.Callback != "" {
		l.hooks.Run("callback", global.Callback, l.file.path)
	}
}

func (l *loader) logUnreadable(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		l.log.Warn("configuration file is gone, the configuration stays in force", "file", l.file.path)
		return
	}
	l.log.Warn("configuration file cannot be read, the configuration stays in force", "file", l.file.path, "err", err)
}
