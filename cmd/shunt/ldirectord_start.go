package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon"
	"github.com/shunt-lb/shunt/internal/files"
)

// faceVariable tells the process that start makes of itself that it is the daemon, and
// has the path of its configuration: the working directory is another one there.
const faceVariable = "SHUNT_LDIRECTORD"

// check reads the configuration as the daemon would, and returns an exit status other
// than faceDone if it cannot be run.
func (f *face) check() (*config.Config, int) {
	path, err := daemon.FindConfig(cmp.Or(f.config, filepath.Base(defaultConfig)))
	if err != nil {
		return nil, f.failed(err)
	}
	src, err := config.ReadSource(path)
	if err != nil {
		return nil, f.failed(err)
	}
	conf, err := daemon.Check(context.Background(), src, config.Options{}, os.Getenv("SHUNT_DATAPLANE"))
	if problems, bad := errors.AsType[config.Problems](err); bad {
		f.complain(path, problems)
		return nil, exitConfig
	}
	if err != nil {
		return nil, f.failed(err)
	}
	return conf, faceDone
}

// start starts the daemon, unless it runs, and returns when it serves: a status right
// after it finds it running.
func (f *face) start() int {
	if path := os.Getenv(faceVariable); path != "" {
		_ = os.Unsetenv(faceVariable) // it is for this process alone
		return f.serve(path, true)
	}
	pid, _, err := f.running()
	switch {
	case err != nil:
		return f.failed(err)
	case pid != 0:
		return faceDone
	}
	conf, code := f.check()
	if code != faceDone {
		return code
	}
	return f.launch(conf)
}

// launch starts the daemon with a configuration that was checked.
func (f *face) launch(conf *config.Config) int {
	if f.debug || conf.Global.Supervised {
		return f.serve(conf.Path, false)
	}
	return f.background(conf.Path)
}

// serve is the daemon, in this process.
func (f *face) serve(path string, background bool) int {
	command := runCommand()
	command.Action = func(c *cli.Context) error {
		return direct(c, func(o *daemon.Options) {
			o.AdminOptional = !c.IsSet("admin") // there may be several: each configuration has a daemon
			o.DrainLimit = faceDrain
			if background {
				o.PIDFile, o.LogFile = f.pidFile(), faceLogFile
			}
		}, func() {
			if background {
				_ = discard(unix.Stderr) // the log has its own file by now
			}
		})
	}
	app := newApp(f.stdout, f.stderr)
	app.Commands = []*cli.Command{command}
	return report(f.stderr, app.RunContext(context.Background(), []string{"shunt", "run", "--config", path}))
}

// discard lets a file descriptor be /dev/null.
func discard(fd int) error {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(null)
	return unix.Dup3(null, fd, 0)
}

// beginTime is how long a start may take. The agent waits 15 seconds.
const beginTime = 10 * time.Second

// background makes a process of its own that serves, and waits until it answers. Its
// command line is the one that the agent searches for.
func (f *face) background(path string) int {
	said, err := unwritten()
	if err != nil {
		return f.failed(err)
	}
	defer said.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{f.program, f.action}
	if f.config != "" {
		cmd.Args = []string{f.program, f.config, f.action}
	}
	cmd.Args[len(cmd.Args)-1] = "start"
	cmd.Env = append(os.Environ(), faceVariable+"="+path)
	cmd.Dir = "/"
	cmd.Stderr = said
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return f.failed(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its exit status is looked at below
	}()
	late := time.After(beginTime)
	for {
		select {
		case <-ended:
			_, _ = said.Seek(0, io.SeekStart)
			_, _ = io.Copy(f.stderr, io.LimitReader(said, 64<<10))
			return max(cmd.ProcessState.ExitCode(), exitFailure)
		case <-late:
			return f.failed(fmt.Errorf("process %d does not serve after %v; it goes on to start", cmd.Process.Pid, beginTime))
		case <-time.After(20 * time.Millisecond):
		}
		// It answers before it has a pid file, or it has none and ends.
		if f.answers(time.Second) == nil && f.hasPID(cmd.Process.Pid) {
			return faceDone
		}
	}
}

// hasPID reports whether the pid file is that of a process.
func (f *face) hasPID(pid int) bool {
	text, err := files.Read(f.pidFile(), 64)
	return err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(pid)
}

// unwritten returns a file in memory for what a process says before it serves. A pipe
// would end the process when nobody reads any more.
func unwritten() (*os.File, error) {
	fd, err := unix.MemfdCreate("ldirectord-start", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "ldirectord-start"), nil
}
