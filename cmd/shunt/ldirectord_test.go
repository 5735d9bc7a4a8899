package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A faceFixture is a mount namespace with its own /run and /var/log, and shunt under
// the name of ldirectord.
type faceFixture struct {
	t       *testing.T
	dir     string
	program string
	file    string
	holder  *exec.Cmd // keeps the namespace
}

const faceFile = "checkinterval = 1\nvirtual = %s\n\tfallback = sorry\n\tservice = http\n"

func newFaceFixture(t *testing.T) *faceFixture {
	t.Helper()
	need.Root(t)
	need.Programs(t, "unshare", "nsenter", "mount")
	f := &faceFixture{t: t, dir: t.TempDir()}
	f.program, f.file = filepath.Join(f.dir, "ldirectord"), filepath.Join(f.dir, "face.cf")
	if err := os.Symlink(shuntBinary, f.program); err != nil {
		t.Fatal(err)
	}
	write(t, f.file, fmt.Sprintf(faceFile, loopbackAddr(t)))
	ready := filepath.Join(f.dir, "ready")
	f.holder = exec.CommandContext(context.WithoutCancel(t.Context()), "unshare", "--mount", "sh", "-ec",
		"mount -t tmpfs none /run; mount -t tmpfs none /var/log; mkdir -p /run/lock /run/resource-agents; : > "+ready+"; exec sleep infinity")
	f.holder.Stderr = os.Stderr
	inGroup(f.holder)
	if err := f.holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if code, _, stderr := f.face("face.cf", "stop"); code != 0 && !t.Failed() {
			if _, err := os.Stat(f.file); err == nil {
				t.Errorf("the last stop: exit %d, %s", code, stderr)
			}
		}
		killGroup(f.holder)
		_ = f.holder.Wait()
	})
	wait.Until(t, "namespace", func() bool { _, err := os.Stat(ready); return err == nil })
	return f
}

// in returns a command inside of the namespace.
func (f *faceFixture) in(args ...string) *exec.Cmd {
	args = append([]string{"--mount", "--target", strconv.Itoa(f.holder.Process.Pid), "env", "--chdir=" + f.dir}, args...)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.t.Context()), time.Minute)
	f.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY=", "SHUNT_CONTROL=")
	return cmd
}

// face runs the program and returns its exit status and what it has written.
func (f *faceFixture) face(args ...string) (code int, stdout, stderr string) {
	f.t.Helper()
	cmd := f.in(append([]string{f.program}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		f.t.Fatal(err)
	} else if ok {
		code = exit.ExitCode()
	}
	return code, out.String(), errs.String()
}

// run returns the path of a file that the namespace has in /run.
func (f *faceFixture) run(name string) string {
	return filepath.Join("/proc", strconv.Itoa(f.holder.Process.Pid), "root/run", name)
}

// pid returns the content of the pid file, 0 for none.
func (f *faceFixture) pid() int {
	f.t.Helper()
	text, err := os.ReadFile(f.run("ldirectord.face.cf.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	pid, bad := strconv.Atoi(strings.TrimSuffix(string(text), "\n"))
	if err := errors.Join(err, bad); err != nil {
		f.t.Fatal(err)
	}
	return pid
}

// runs returns the pid of the daemon, which must run.
func (f *faceFixture) runs() int {
	f.t.Helper()
	pid := f.pid()
	if pid <= 1 {
		f.t.Fatal("there is no pid file")
	}
	return pid
}

// kill ends the daemon so that its pid file stays.
func (f *faceFixture) kill() {
	f.t.Helper()
	pid := f.runs()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		f.t.Fatal(err)
	}
	wait.Until(f.t, "end", func() bool { return !alive(pid) })
}

// alive reports whether a process runs, one that nobody waits for not counted.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && len(text) > 0
}

func (f *faceFixture) edit(extra string) {
	f.t.Helper()
	text, err := os.ReadFile(f.file)
	if err != nil {
		f.t.Fatal(err)
	}
	write(f.t, f.file, string(text)+extra)
}

// Every action has the exit status, the streams and the effect that scripts and
// agents of ldirectord rely on, in each state of the daemon.
func TestFace(t *testing.T) {
	states := map[string]func(*faceFixture){
		"stopped": func(*faceFixture) {},
		"running": func(f *faceFixture) { f.want(0, "", "", "face.cf", "start") },
		"stale": func(f *faceFixture) {
			f.want(0, "", "", "face.cf", "start")
			f.kill()
		},
		"stopped, broken file": func(f *faceFixture) { f.edit("nonsense = 1\n") },
		"running, broken file": func(f *faceFixture) {
			f.want(0, "", "", "face.cf", "start")
			f.edit("nonsense = 1\n")
		},
	}
	const (
		isRunning = "ldirectord for face.cf is running with pid: PID\n"
		isStopped = "ldirectord is stopped for face.cf\n"
		isStale   = "ldirectord stale pid file /var/run/ldirectord.face.cf.pid for face.cf\n"
		broken    = "Error [N] reading file DIR/face.cf at line 5: unknown directive `nonsense`\n"
		notToHup  = "ldirectord: it is stopped for face.cf\n"
	)
	for _, tt := range []struct {
		state, action  string
		code           int
		stdout, stderr string
		after          string // "same", "new" or "none": the daemon
	}{
		{"stopped", "start", 0, "", "", "new"},
		{"running", "start", 0, "", "", "same"},
		{"stale", "start", 0, "", "", "new"},
		{"stopped, broken file", "start", 2, "", broken, "none"},
		{"running, broken file", "start", 0, "", "", "same"},

		{"stopped", "stop", 0, "", "", "none"},
		{"running", "stop", 0, "", "", "none"},
		{"stale", "stop", 0, "", "", "none"},
		{"running, broken file", "stop", 0, "", "", "none"},

		{"stopped", "restart", 0, "", "", "new"},
		{"running", "restart", 0, "", "", "new"},
		{"running, broken file", "restart", 2, "", broken, "same"},

		{"stopped", "try-restart", 0, "", "", "none"},
		{"running", "try-restart", 0, "", "", "new"},

		{"stopped", "reload", 1, "", notToHup, "none"},
		{"running", "reload", 0, "", "", "same"},
		{"running", "force-reload", 0, "", "", "same"},
		{"stale", "reload", 1, "", notToHup, "none"},
		{"running, broken file", "reload", 2, "", "DIR/face.cf:5:1: error: unknown directive `nonsense`\n", "same"},

		{"stopped", "status", 3, isStopped, "", "none"},
		{"running", "status", 0, "", isRunning, "same"},
		{"stale", "status", 1, isStopped, isStale, "none"},
		{"stopped, broken file", "status", 3, isStopped, "", "none"},
		{"running, broken file", "status", 0, "", isRunning, "same"},
	} {
		t.Run(tt.state+", "+tt.action, func(t *testing.T) {
			f := newFaceFixture(t)
			states[tt.state](f)
			before := f.pid()
			f.want(tt.code, tt.stdout, tt.stderr, "face.cf", tt.action)
			after := f.pid()
			switch {
			case tt.after == "same" && (after != before || !alive(after)),
				tt.after == "new" && (after == before || !alive(after) || before != 0 && alive(before)),
				tt.after == "none" && (alive(after) || before != 0 && alive(before)):
				t.Errorf("the pid was %d and is %d (alive: %v), want %s", before, after, alive(after), tt.after)
			}
		})
	}
}

// want runs the program and compares what it does.
func (f *faceFixture) want(code int, stdout, stderr string, args ...string) {
	f.t.Helper()
	gotCode, gotOut, gotErr := f.face(args...)
	gotErr = strings.ReplaceAll(gotErr, f.dir, "DIR")
	gotErr = strings.ReplaceAll(gotErr, fmt.Sprintf("pid: %d\n", f.pid()), "pid: PID\n")
	if i := strings.Index(gotErr, "Error ["); i >= 0 {
		gotErr = gotErr[:i] + "Error [N" + gotErr[i+strings.Index(gotErr[i:], "]"):]
	}
	if gotCode != code || gotOut != stdout || gotErr != stderr {
		f.t.Errorf("%v: exit %d\nstdout %q\nstderr %q\nwant %d\n%q\n%q", args, gotCode, gotOut, gotErr, code, stdout, stderr)
	}
}

// The command line that nobody can mean, and what asks for words.
func TestFaceUsage(t *testing.T) {
	f := newFaceFixture(t)
	for _, args := range [][]string{{}, {"begin"}, {"start", "face.cf"}, {"a", "b", "start"}, {"-x", "start"}, {"--", "-d"}} {
		f.want(255, faceUsageText, "", args...)
	}
	for _, word := range []string{"-h", "-?", "--help"} {
		f.want(0, faceUsageText, "", word)
	}
	f.want(1, "", "ldirectord: configuration none.cf: not found in /etc/ha.d, /etc/ha.d/conf or the working directory\n", "none.cf", "start")
	if code, out, _ := f.face("--version"); code != 0 || !strings.HasPrefix(out, "ldirectord: shunt ") {
		t.Errorf("--version: %d %q", code, out)
	}
}

// The daemon is one: a session and working directory of its own, nothing of who
// started it, the log of ldirectord, and the command line that the agent looks for.
// With -d it stays in the foreground, without a pid file, and ends with exit 0.
func TestFaceDaemon(t *testing.T) {
	f := newFaceFixture(t)
	f.want(0, "", "", "--", "face.cf", "start")
	proc := fmt.Sprintf("/proc/%d/", f.runs())
	line, err := os.ReadFile(proc + "cmdline")
	if want := f.program + "\x00face.cf\x00start\x00"; err != nil || string(line) != want {
		t.Errorf("the command line is %q, %v, want %q", line, err, want)
	}
	for link, want := range map[string]string{"cwd": "/", "fd/0": "/dev/null", "fd/1": "/dev/null", "fd/2": "/dev/null"} {
		wait.Until(t, link+" is "+want, func() bool { to, _ := os.Readlink(proc + link); return to == want })
	}
	wait.Until(t, "a log", func() bool {
		text, _ := os.ReadFile(filepath.Join(proc, "root/var/log/ldirectord.log"))
		return strings.Contains(string(text), "level=")
	})
	env, err := os.ReadFile(proc + "environ")
	if sid, e := unix.Getsid(f.pid()); err != nil || e != nil || sid != f.pid() || !bytes.Contains(env, []byte(faceVariable)) {
		t.Errorf("session %d of process %d, %v, %v", sid, f.pid(), e, err)
	}
	f.want(0, "", "", "face.cf", "stop")

	cmd := f.in(f.program, "-d", "face.cf", "start")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "status", func() bool { code, _, _ := f.face("face.cf", "status"); return code == 0 })
	if f.pid() != 0 {
		t.Error("there is a pid file with -d")
	}
	f.want(0, "", "", "face.cf", "stop")
	if err := cmd.Wait(); err != nil {
		t.Errorf("in the foreground: %v", err)
	}
}

// Two configurations run side by side, although one port is for one page.
func TestFaceTwice(t *testing.T) {
	f := newFaceFixture(t)
	write(t, filepath.Join(f.dir, "two.cf"), fmt.Sprintf(faceFile, loopbackAddr(t)))
	f.want(0, "", "", "face.cf", "start")
	f.want(0, "", "", "two.cf", "start")
	f.want(0, "", "", "two.cf", "stop")
	f.want(0, "", "ldirectord for face.cf is running with pid: PID\n", "face.cf", "status")
}

// A daemon that hangs is no running one: Pacemaker is to recover it.
func TestFaceHangs(t *testing.T) {
	t.Parallel() // it waits
	f := newFaceFixture(t)
	f.want(0, "", "", "face.cf", "start")
	pid := f.runs()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Kill(pid, unix.SIGCONT) }()
	wait.Until(t, "a daemon that stands still", func() bool { return process.Frozen(pid) })
	code, _, stderr := f.face("face.cf", "status")
	if want := fmt.Sprintf("ldirectord for face.cf has the pid %d and does not answer: ", pid); code != 1 || !strings.HasPrefix(stderr, want) {
		t.Errorf("exit %d, %q, want 1, %q", code, stderr, want)
	}
}

// draintimeout is cut to what the agent waits for, and the log says so.
func TestFaceDrain(t *testing.T) {
	f := newFaceFixture(t)
	write(t, f.file, "cleanstop = no\ndraintimeout = 600\n"+fmt.Sprintf(faceFile, loopbackAddr(t)))
	f.want(0, "", "", "face.cf", "start")
	wait.Until(t, "warning", func() bool {
		text, _ := os.ReadFile(filepath.Join(f.run(".."), "var/log/ldirectord.log"))
		return strings.Contains(string(text), "a stop waits 8s for connections and not as long as `draintimeout` says")
	})
	began := time.Now()
	f.want(0, "", "", "face.cf", "stop")
	if took := time.Since(began); took > stopTime+stopHurry {
		t.Errorf("the stop took %v", took)
	}
}

// The real agent of Pacemaker, with the tester of agents and in the states that
// matter to a cluster.
func TestPacemakerAgent(t *testing.T) {
	t.Parallel() // it waits
	const agent = "/usr/lib/ocf/resource.d/heartbeat/ldirectord"
	need.Programs(t, "ocf-tester", "xmllint", "pgrep")
	if _, err := os.Stat(agent); err != nil {
		need.Lacking(t, err)
	}
	f := newFaceFixture(t)
	out, err := f.in("ocf-tester", "-n", "ld", "-o", "configfile="+f.file, "-o", "ldirectord="+f.program, agent).CombinedOutput()
	if err != nil || !strings.Contains(string(out), agent+" passed all tests") {
		t.Fatalf("%v\n%s", err, out)
	}
	do := func(state, action string, want int) {
		t.Helper()
		cmd := f.in(agent, action)
		cmd.Env = append(cmd.Env, "OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=ld",
			"OCF_RESKEY_configfile="+f.file, "OCF_RESKEY_ldirectord="+f.program)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("%s: %s returns %d, want %d\n%s", state, action, code, want, out)
		}
	}
	const success, generic, unimplemented, notInstalled, notRunning = 0, 1, 3, 5, 7 // OCF's
	do("stopped", "monitor", notRunning)
	do("stopped", "stop", success)
	do("stopped", "start", success)
	do("running", "start", success)
	do("running", "monitor", success)
	do("running", "validate-all", success)
	do("running", "meta-data", success)
	do("running", "reload", unimplemented)

	f.edit("nonsense = 1\n")
	do("broken file while it runs", "monitor", success)
	do("broken file while it runs", "stop", success)
	if alive(f.pid()) {
		t.Error("it runs after the stop")
	}
	do("broken file, stopped", "monitor", notRunning)
	do("broken file", "start", generic)

	write(t, f.file, fmt.Sprintf(faceFile, loopbackAddr(t)))
	do("mended", "start", success)
	f.kill()
	do("killed", "monitor", notRunning)
	do("killed", "start", success)

	pid := f.runs()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "a daemon that stands still", func() bool { return process.Frozen(pid) })
	do("hanging", "stop", success) // by its command line, and without mercy
	wait.Until(t, "end of a daemon that hung", func() bool { return !alive(pid) })
	if err := os.Remove(f.file); err != nil {
		t.Fatal(err)
	}
	do("no file", "monitor", notInstalled)
}
