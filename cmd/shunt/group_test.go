package main

import (
	"os/exec"
	"syscall" //nolint:depguard // of exec.Cmd.SysProcAttr.Credential

	"golang.org/x/sys/unix"
)

// inGroup lets cmd and all that it starts be ended together.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
}

func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	}
}

// credential is a user without rights, in those groups beside its own.
func credential(user uint32, groups []uint32) *syscall.Credential {
	return &syscall.Credential{Uid: user, Gid: user, Groups: groups}
}
