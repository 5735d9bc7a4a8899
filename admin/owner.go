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

// errWritable reports that others may replace files in a folder.
var errWritable = errors.New("others may write to it and put something else in its place: chmod go-w it, or name a path elsewhere with --control")

// checkOwner returns an error if dir is no place for a control socket of this
// process: the owner of a folder, and everybody who may write to it, can put a
// socket of their own there, which gets the requests instead of shunt.
func checkOwner(dir string) error {
	owner, err := folderOwner(dir)
	if err == nil && owner != 0 && owner != os.Geteuid() {
		err = fmt.Errorf("it belongs to user %d: name a path elsewhere with --control", owner)
	}
	if err != nil {
		return fmt.Errorf("folder %s: %w", dir, err)
	}
	return nil
}

// trustedUsers returns the users whose control sockets in dir are trusted: root,
// this process's user, and the user of a service for which root has made the
// folder in /run.
func trustedUsers(dir string) ([]int, error) {
	owner, err := folderOwner(dir)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	trusted := []int{0, os.Geteuid()}
	switch {
	case slices.Contains(trusted, owner):
		return trusted, nil
	case forService(dir):
		return append(trusted, owner), nil
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

// folderOwner returns the owner of a folder in which nobody else may replace files.
// A folder that others may write to is an error, unless it is root's and sticky,
// as /tmp is. The owner of a symbolic link counts, too: he says where it leads.
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
