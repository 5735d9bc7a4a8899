package logs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	stdsyslog "log/syslog"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/files"
)

// Usable returns why Use would refuse a target, as far as that can be said
// without opening, making or writing anything.
func Usable(name string) error {
	switch {
	case name == "":
		return nil
	case strings.HasPrefix(name, "/"):
		return writable(name)
	}
	_, err := facility(name)
	return err
}

// writable returns why a log file cannot be opened, or made.
func writable(path string) error {
	info, err := files.Stat(path)
	switch {
	case err == nil && info.IsDir():
		err = &fs.PathError{Op: "open", Path: path, Err: unix.EISDIR}
	case err == nil:
		err = may(path, path, unix.W_OK)
	case errors.Is(err, fs.ErrNotExist):
		err = may(path, filepath.Dir(path), unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	return nil
}

// may asks the kernel whether this process can open path, which needs rights
// on place.
func may(path, place string, rights uint32) error {
	if err := unix.Faccessat(unix.AT_FDCWD, place, rights, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return nil
}

// target opens what a target means.
func (s *Sink) target(name string) (output, error) {
	switch {
	case name == "":
		return s.stderr, nil
	case strings.HasPrefix(name, "/"):
		return openFile(name, s)
	}
	f, err := facility(name)
	if err != nil {
		return nil, err
	}
	return s.dialSyslog(name, f), nil
}

// facility returns syslog's number of a facility.
func facility(name string) (stdsyslog.Priority, error) {
	f, ok := facilities[strings.ToLower(name)]
	if !ok {
		names := slices.SortedFunc(maps.Keys(facilities), func(a, b string) int {
			return cmp.Compare(facilities[a], facilities[b])
		})
		return 0, fmt.Errorf("log target %q: want a path that starts with / or a syslog facility: %s",
			name, strings.Join(names, " "))
	}
	return f, nil
}
