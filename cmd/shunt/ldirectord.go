package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/files"
	"github.com/shunt-lb/shunt/internal/version"
)

// A face is shunt under the name of ldirectord: with its command line, pid file, exit
// statuses and words, so that init scripts and the agent ocf:heartbeat:ldirectord work
// unchanged.
type face struct {
	program string // as it was called
	config  string // as it was named, "" if it was not
	action  string
	debug   bool

	stdout, stderr io.Writer
}

// The exit statuses of ldirectord beside those of shunt.
const (
	faceDone    = 0
	faceStopped = 3 // status: it does not run
	faceUsage   = 255
)

const faceUsageText = `usage: ldirectord [-d|--debug] [--] [CONFIG] start|stop|restart|try-restart|reload|force-reload|status
       ldirectord -h|-?|--help|-v|--version

This is shunt, under the name of ldirectord. It looks for CONFIG in /etc/ha.d, /etc/ha.d/conf and the
working directory; without one it is ldirectord.cf. "shunt --help" has what else there is to ask it.
`

// asLdirectord does what the command line of ldirectord says, and returns its exit
// status.
func asLdirectord(args []string, stdout, stderr io.Writer) int {
	f := &face{program: args[0], stdout: stdout, stderr: stderr}
	words := args[1:]
	for ; len(words) > 0 && strings.HasPrefix(words[0], "-"); words = words[1:] {
		switch words[0] {
		case "-d", "--debug":
			f.debug = true
			continue
		case "-h", "-?", "--help":
			fmt.Fprint(stdout, faceUsageText)
			return faceDone
		case "-v", "--version":
			fmt.Fprintf(stdout, "ldirectord: shunt %s\n", version.Text())
			return faceDone
		case "--":
			words = words[1:]
		default:
			return f.usage()
		}
		break
	}
	switch len(words) {
	case 1:
		f.action = words[0]
	case 2:
		f.config, f.action = words[0], words[1]
	}
	do := map[string]func() int{
		"start": f.start, "stop": f.stop, "restart": f.restart, "try-restart": f.tryRestart,
		"reload": f.reload, "force-reload": f.reload, "status": f.status,
	}[f.action]
	if do == nil {
		return f.usage()
	}
	return do()
}

func (f *face) usage() int {
	fmt.Fprint(f.stdout, faceUsageText)
	return faceUsage
}

// name is the configuration in words, as ldirectord says it.
func (f *face) name() string { return cmp.Or(f.config, "ldirectord") }

// pidFile returns the path of the pid file, which ldirectord names after what was
// typed.
func (f *face) pidFile() string {
	return "/var/run/ldirectord." + filepath.Base(f.name()) + ".pid"
}

func (f *face) client() (*admin.Client, error) {
	return dialFor(cmp.Or(f.config, filepath.Base(defaultConfig)), os.Getenv("SHUNT_CONTROL"))
}

func (f *face) failed(err error) int {
	fmt.Fprintf(f.stderr, "ldirectord: %v\n", err)
	return exitFailure
}

// running returns the id of the process that serves the configuration, 0 for none.
// stale says that there is a pid file of a process that is gone. A process of the pid
// file may also be a real ldirectord.
func (f *face) running() (pid int, stale bool, err error) {
	client, err := f.client()
	if err != nil {
		return 0, false, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if pid, err = client.Process(ctx); !errors.Is(err, admin.ErrNotRunning) && !dying(pid) {
		return pid, false, err
	}
	text, err := files.Read(f.pidFile(), 64)
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !isLdirectord(pid) {
		return 0, true, nil
	}
	return pid, false, nil
}

// dying reports whether a process was killed and has no memory any more. Its sockets
// may be open for a moment.
func dying(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return pid > 0 && err == nil && len(line) == 0
}

// isLdirectord reports whether a process is called ldirectord, as a program or as a
// script that its interpreter runs.
func isLdirectord(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(strings.Split(string(line), "\x00"), func(word string) bool { return filepath.Base(word) == "ldirectord" })
}

// answerTime is how long a daemon may take to answer before its status is a failure.
// The agent waits ten seconds.
const answerTime = 8 * time.Second

// status says whether the daemon runs. What has become of the file does not matter:
// Pacemaker must not move a service because somebody edits a file.
func (f *face) status() int {
	pid, stale, err := f.running()
	switch {
	case err != nil:
		return f.failed(err)
	case stale:
		text := fmt.Sprintf("ldirectord stale pid file %s for %s\n", f.pidFile(), f.name())
		fmt.Fprint(f.stderr, text)
		fmt.Fprintf(f.stdout, "ldirectord is stopped for %s\n", f.name())
		return exitFailure
	case pid == 0:
		fmt.Fprintf(f.stdout, "ldirectord is stopped for %s\n", f.name())
		return faceStopped
	}
	if err := f.answers(answerTime); err != nil && !errors.Is(err, admin.ErrNotRunning) {
		fmt.Fprintf(f.stderr, "ldirectord for %s has the pid %d and does not answer: %v\n", f.name(), pid, err)
		return exitFailure
	}
	fmt.Fprintf(f.stderr, "ldirectord for %s is running with pid: %d\n", f.name(), pid)
	return faceDone
}

// answers returns why the daemon has not answered within a time.
func (f *face) answers(within time.Duration) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, err = client.Status(ctx)
	return err
}

// The agent kills what has not stopped after 15 seconds.
const (
	stopTime    = 11 * time.Second // until the stop is told to hurry
	stopHurry   = 2 * time.Second  // for the rest
	faceDrain   = 8 * time.Second  // of stopTime, for connections
	faceLogFile = "/var/log/ldirectord.log"
)

// stop ends the daemon, if it runs, and waits until it has gone: what comes next may
// give its addresses to another host.
func (f *face) stop() int {
	pid, _, err := f.running()
	switch {
	case err != nil:
		return f.failed(err)
	case pid == 0:
		return faceDone
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return faceDone
	}
	if err != nil {
		return f.failed(fmt.Errorf("process %d: %w", pid, err))
	}
	defer unix.Close(fd)
	for _, wait := range []time.Duration{stopTime, stopHurry} {
		if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return f.failed(fmt.Errorf("stop process %d: %w", pid, err))
		}
		if ended(fd, wait) {
			return faceDone
		}
	}
	return f.failed(fmt.Errorf("process %d has not ended after %v", pid, stopTime+stopHurry))
}

// ended waits for the end of a process.
func ended(pidfd int, wait time.Duration) bool {
	for end := time.Now().Add(wait); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(max(0, time.Until(end)).Milliseconds()))
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return n > 0
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// restart starts anew what runs, or starts. A file with errors is refused before
// anything ends.
func (f *face) restart() int {
	conf, code := f.check()
	if code != faceDone {
		return code
	}
	if code := f.stop(); code != faceDone {
		return code
	}
	return f.launch(conf)
}

func (f *face) tryRestart() int {
	pid, _, err := f.running()
	switch {
	case err != nil:
		return f.failed(err)
	case pid == 0:
		return faceDone
	}
	return f.restart()
}

// reload has the daemon read its file again, and returns when it is in force.
func (f *face) reload() int {
	pid, _, err := f.running()
	switch {
	case err != nil:
		return f.failed(err)
	case pid == 0:
		return f.failed(fmt.Errorf("it is stopped for %s", f.name()))
	}
	client, err := f.client()
	if err == nil {
		_, err = client.Reload(context.Background(), false)
	}
	if refused, ok := errors.AsType[*admin.RefusedError](err); ok {
		fmt.Fprintln(f.stderr, refused)
		return exitConfig
	}
	if errors.Is(err, admin.ErrNotRunning) { // a real ldirectord has no control socket
		err = unix.Kill(pid, unix.SIGHUP)
	}
	if err != nil {
		return f.failed(err)
	}
	return faceDone
}

// complain writes the errors of a configuration in the form of ldirectord's.
func (f *face) complain(path string, problems config.Problems) {
	for _, p := range problems {
		if p.Severity != config.Error {
			continue
		}
		text := p.Text
		if p.Hint != "" {
			text += " (" + p.Hint + ")"
		}
		where := "reading file " + cmp.Or(p.Pos.File, path)
		if p.Pos.Line > 0 {
			where += fmt.Sprintf(" at line %d", p.Pos.Line)
		}
		fmt.Fprintf(f.stderr, "Error [%d] %s: %s\n", os.Getpid(), where, text)
	}
}
