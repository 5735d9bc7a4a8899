package guest

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Main is process 1. It never returns: at the end it switches the machine off.
// A job that cannot be run leaves a message on the console, and no exit status is
// reported.
func Main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
	}
	err := errors.Join(drain(os.Stderr), unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
	fmt.Fprintln(os.Stderr, "init: switch off:", err)
	os.Exit(1)
}

func run() error {
	var job Job
	if err := readJSON(JobFile, &job); err != nil {
		return err
	}
	if err := furnish(); err != nil {
		return err
	}
	for _, name := range job.Load {
		if err := load(name, ""); err != nil {
			return err
		}
	}
	status, err := job.run()
	if err != nil {
		return err
	}
	return job.report(status)
}

// run runs the command to its end and returns its exit status. What it leaves
// running is killed.
func (j Job) run() (status int, err error) {
	tty, err := open(Stdio, j.TTY)
	if err != nil {
		return 0, err
	}
	defer tty.Close()
	status, err = j.execute(tty)
	if err != nil {
		fmt.Fprintln(tty, "init:", err)
		status = 127
	}
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return 0, fmt.Errorf("end what is left: %w", err)
	}
	return status, drain(tty)
}

func (j Job) execute(tty *os.File) (status int, err error) {
	stdin, err := j.stdin(tty)
	if err != nil {
		return 0, err
	}
	defer stdin.Close()
	p, err := os.StartProcess(j.Args[0], j.Args, &os.ProcAttr{
		Dir:   j.Dir,
		Env:   j.Env,
		Files: []*os.File{stdin, tty, tty},
		Sys:   &unix.SysProcAttr{Setsid: j.TTY == nil},
	})
	if err != nil {
		return 0, err
	}
	ws, err := reap(p.Pid)
	if err != nil {
		return 0, err
	}
	if ws.Signaled() {
		fmt.Fprintf(tty, "init: %s ended by signal: %v\n", j.Args[0], ws.Signal())
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// reap waits for the process with the given id, and buries the orphans that
// process 1 is given meanwhile.
func reap(pid int) (unix.WaitStatus, error) {
	for {
		var ws unix.WaitStatus
		dead, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for process %d: %w", pid, err)
		case dead == pid:
			return ws, nil
		}
	}
}
