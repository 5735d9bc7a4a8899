package process

import (
	"errors"
	"net"
	"os"
	"os/user"
	"strconv"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/wait"
)

// Listens waits until connections to addr are accepted.
func (p *Process) Listens(addr string) {
	p.t.Helper()
	wait.Until(p.t, p.Cmd.Path+" listens on "+addr, func() bool {
		if !p.Running() {
			p.t.Fatalf("%s: %v", p.Cmd, p.Cmd.ProcessState)
		}
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Folder makes a folder that every user may enter, unlike t.TempDir, and gives
// it to a user, if that is not empty and the test is root's.
func Folder(t testing.TB, owner string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "shunt-test-")
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) { // programs end beside it
			t.Error(err)
		}
	})
	must(t, os.Chmod(dir, 0o755))
	if owner != "" && os.Geteuid() == 0 {
		u, err := user.Lookup(owner)
		must(t, err)
		uid, err := strconv.Atoi(u.Uid)
		must(t, err)
		must(t, os.Chown(dir, uid, -1))
	}
	return dir
}
