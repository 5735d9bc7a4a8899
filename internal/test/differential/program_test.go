//go:build kernel

package differential

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// The paths of Debian's packages.
const (
	ldirectordPath = "/usr/sbin/ldirectord"
	keepalivedPath = "/usr/sbin/keepalived"
)

// A program is what directs: how it is started for a configuration, and the
// configuration of a file in its language.
type program struct {
	name    string
	suffix  string                      // of the configuration's name
	command func(path string) *exec.Cmd // by the launcher if nil
	config  func(f file, s state) string
	resting func(pid int) bool // it does nothing; unknown if nil
}

var shunt = program{
	name: "shunt", config: file.ldirectord,
	command: func(path string) *exec.Cmd {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{childEnv + "=" + path}
		return cmd
	},
}

var ldirectord = program{
	name: "ldirectord", config: file.ldirectord,
	resting: sleeping,
}

// Only the part of keepalived that checks runs.
var keepalived = program{
	name: "keepalived", suffix: ".keepalived", config: file.keepalived,
	command: func(path string) *exec.Cmd {
		return exec.Command(keepalivedPath, "--check", "--dont-fork", "--log-console", "--log-detail",
			"--use-file", path, "--pid", path+".pid", "--checkers_pid", path+".checkers")
	},
}

// sleeping tells that a process has called sleep. ldirectord does after every
// pass, and passes through tables that it does not mean before.
func sleeping(pid int) bool {
	call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	return err == nil && strings.HasPrefix(string(call), fmt.Sprintf("%d ", unix.SYS_CLOCK_NANOSLEEP))
}
