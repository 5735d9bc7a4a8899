package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/wait"
)

// Freeze stops all threads of the program and its children, and returns when
// they stand still: the signal reaches each when it next runs.
func (p *Process) Freeze() {
	p.t.Helper()
	p.Signal(unix.SIGSTOP)
	wait.Until(p.t, p.Cmd.String()+" stands still after SIGSTOP", func() bool { return Frozen(p.Cmd.Process.Pid) })
}

// Thaw has a program that was frozen go on.
func (p *Process) Thaw() { p.Signal(unix.SIGCONT) }

// Frozen reports whether every thread of a process group is stopped or has ended.
func Frozen(group int) bool {
	threads, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/stat")
	for _, path := range threads {
		text, _ := os.ReadFile(path) // it may have ended
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "T" && fields[0] != "Z" {
			return false
		}
	}
	return true
}
