package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// insideEnv marks the program that Enter has started.
const insideEnv = "SHUNT_BENCH_INSIDE"

// Enter ensures that the program may make network namespaces. Where it may
// not, it runs the program once more, with the same arguments, as root of a
// user namespace of its own; then again is true, and the caller is to exit
// with status. The error says in one line what is missing.
func Enter() (status int, again bool, err error) {
	net, err := netlab.New()
	if err == nil {
		return 0, false, net.Close()
	}
	if !errors.Is(err, fs.ErrPermission) || os.Getenv(insideEnv) != "" {
		return 0, false, fmt.Errorf("network namespaces cannot be made: %w", err)
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET,
		Pdeathsig:  unix.SIGKILL,
	}
	cmd.SysProcAttr.UidMappings = append(cmd.SysProcAttr.UidMappings, root(os.Getuid()))
	cmd.SysProcAttr.GidMappings = append(cmd.SysProcAttr.GidMappings, root(os.Getgid()))
	return runInside(cmd)
}

// root maps id to that of root.
func root(id int) struct{ ContainerID, HostID, Size int } {
	return struct{ ContainerID, HostID, Size int }{0, id, 1}
}

func runInside(cmd *exec.Cmd) (status int, again bool, err error) {
	// The death signal belongs to the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A terminal sends SIGINT to both; the program inside handles it.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, false, fmt.Errorf("network namespaces need root, or user namespaces for everybody (user.max_user_namespaces above 0, no kernel.apparmor_restrict_unprivileged_userns): %w", err)
	}
	ended := make(chan struct{})
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		pass(signals, ended, cmd.Process)
	}()
	err = cmd.Wait()
	close(ended)
	<-passed
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() < 0 {
		return 1, true, fmt.Errorf("in a user namespace: %w", err)
	}
	return cmd.ProcessState.ExitCode(), true, nil
}

// pass passes SIGTERM on until the process has ended.
func pass(signals <-chan os.Signal, ended <-chan struct{}, p *os.Process) {
	for {
		select {
		case s := <-signals:
			if s == unix.SIGTERM {
				_ = p.Signal(s) // it may have ended meanwhile
			}
		case <-ended:
			return
		}
	}
}
