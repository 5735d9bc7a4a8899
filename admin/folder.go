package admin

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// errWritable is about a folder in which others may replace what is there.
var errWritable = errors.New("others may write to it and put something else in its place: chmod go-w it, or name a path elsewhere with --control")

// ours says what is wrong with dir as a place for a control socket of this
// process: whoever owns the folder or may write to it can put a socket of his
// own there, and be asked instead of shunt.
func ours(dir string) error {
	owner, err := folderOwner(dir)
	if err == nil && owner != 0 && owner != os.Geteuid() {
		err = fmt.Errorf("it belongs to user %d: name a path elsewhere with --control", owner)
	}
	if err != nil {
		return fmt.Errorf("folder %s: %w", dir, err)
	}
	return nil
}

// speakers returns the users whose control socket may be believed in dir: root
// and this process's user, and the one that a service runs as if root has made
// the folder in /run for it.
func speakers(dir string) ([]int, error) {
	owner, err := folderOwner(dir)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	believed := []int{0, os.Geteuid()}
	switch {
	case slices.Contains(believed, owner):
		return believed, nil
	case forService(dir):
		return append(believed, owner), nil
	}
	return nil, fmt.Errorf("folder %s: it belongs to user %d, whom shunt has no reason to believe", dir, owner)
}

// forService reports whether dir is a folder that only root can have made.
func forService(dir string) bool {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || !strings.HasPrefix(real, "/run/") {
		return false
	}
	owner, err := folderOwner(filepath.Dir(real))
	return err == nil && owner == 0
}

// folderOwner returns who owns a folder in which nobody else may replace what is
// there: that others may write to is none, unless it is sticky and root's, as /tmp
// is. Where a symbolic link leads is up to the link's owner.
func folderOwner(dir string) (int, error) {
	var link, st unix.Stat_t
	if err := cmp.Or(unix.Lstat(dir, &link), unix.Stat(dir, &st)); err != nil {
		return 0, err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return 0, unix.ENOTDIR
	case st.Mode&0o022 != 0 && (st.Mode&unix.S_ISVTX == 0 || st.Uid != 0):
		return 0, errWritable
	case link.Uid != 0 && int(link.Uid) != os.Geteuid():
		return int(link.Uid), nil
	}
	return int(st.Uid), nil
}
