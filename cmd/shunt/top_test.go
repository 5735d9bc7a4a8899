package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// pictures is where screens are left, to be looked at.
const pictures = "../../bin/pictures"

// A screen is a terminal of its own, in tmux, with a program in it.
type screen struct {
	t      *testing.T
	socket string
}

func newScreen(t *testing.T, command ...string) *screen {
	t.Helper()
	need.Programs(t, "tmux")
	s := &screen{t, filepath.Join(t.TempDir(), "tmux")}
	s.tmux(append([]string{"-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "24"}, command...)...)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() }) // it ends with its program
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

func (s *screen) press(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

// shows waits until the screen matches, and keeps it, with its colours, under a name.
func (s *screen) shows(pattern, name string) {
	s.t.Helper()
	want := regexp.MustCompile(pattern)
	var got string
	defer func() {
		if s.t.Failed() {
			s.t.Log(got)
		}
	}()
	wait.Until(s.t, pattern+" on the screen", func() bool {
		got = s.tmux("capture-pane", "-p")
		return want.MatchString(got)
	})
	if name == "" {
		return
	}
	err := os.MkdirAll(pictures, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(pictures, name), []byte(s.tmux("capture-pane", "-p", "-e")), 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// `shunt top` in a terminal: what happens is seen, and an order is given by keys.
func TestTopInTerminal(t *testing.T) {
	real, err := net.Listen("tcp", loopbackAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	dir := t.TempDir()
	file, control := filepath.Join(dir, "test.cf"), filepath.Join(dir, "control.sock")
	virtual := loopbackAddr(t)
	write(t, file, "checkinterval = 1\nchecktimeout = 1\nvirtual = "+virtual+"\n\tservicename = www\n\treal = "+real.Addr().String()+" masq\n\tfallback = sorry\n\tservice = http\n\tchecktype = connect\n")
	run := exec.CommandContext(t.Context(), shuntBinary, "run", "--config", file, "--control", control, "--admin", "", "--dataplane", "proxy")
	run.Env = append(os.Environ(), "SHUNT_STATE="+filepath.Join(dir, "state"))
	inGroup(run)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		killGroup(run)
		_ = run.Wait()
	}()
	wait.Until(t, "shunt to run", func() bool {
		_, err := os.Stat(control)
		return err == nil
	})
	s := newScreen(t, shuntBinary, "top", "--config", file, "--control", control)
	at := regexp.QuoteMeta(real.Addr().String())
	s.shows(`(?s)1/1 well.*> tcp `+regexp.QuoteMeta(virtual)+` www +1/1 up.*  `+at+` +up [0-9]+s`, "top-calm.txt")
	s.press("j")
	s.press("d")
	s.shows(`drain `+at+` in tcp .*\? reason: _`, "")
	s.press("-l", "deploy 4711")
	s.press("Enter")
	s.shows(`(?s)1 fallback ACTIVE +1 drained.*>   `+at+` +drain [0-9]+s`, "")
	s.press("Enter")
	s.shows(`(?s)`+at+` drained by .*: deploy 4711`, "top-drained.txt")
	s.press("r")
	s.press("Enter")
	s.shows(`  `+at+` +up [0-9]+s`, "")
	real.Close()
	s.shows(`(?s)1 fallback ACTIVE +1 down.*  `+at+` +DOWN [0-9]+s`, "top-down.txt")
	s.press("q")
	wait.Until(t, "top to end", func() bool {
		return exec.Command("tmux", "-S", s.socket, "list-sessions").Run() != nil
	})
}

// Without a terminal it says what there is instead.
func TestTopWithoutTerminal(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), shuntBinary, "top").CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitUsage || string(out) != "shunt: top needs a terminal; `shunt status --watch` does not\n" {
		t.Errorf("%v: %s", err, out)
	}
}
