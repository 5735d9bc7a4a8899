package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A controlFixture is a folder with configurations, and the shunts that run for them
// with nothing said about control sockets.
type controlFixture struct {
	t   *testing.T
	dir string
	env []string
}

func newControlFixture(t *testing.T) *controlFixture {
	t.Helper()
	dir, err := os.MkdirTemp("", "shunt-site-") // unlike those of package testing, other users may enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "run"), 0o755)); err != nil {
		t.Fatal(err)
	}
	return &controlFixture{t: t, dir: dir, env: append(os.Environ(), "RUNTIME_DIRECTORY="+filepath.Join(dir, "run"), "SHUNT_CONTROL=", "SHUNT_CONFIG=")}
}

// config writes a configuration with one service, whose address it returns.
func (s *controlFixture) config(name string) (path, addr string) {
	s.t.Helper()
	path, addr = filepath.Join(s.dir, name), loopbackAddr(s.t)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	write(s.t, path, fmt.Sprintf("virtual = %s\n\tfallback = sorry\n\tservice = http\n", addr))
	return path, addr
}

func (s *controlFixture) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), shuntBinary, args...)
	cmd.Env, cmd.Dir = s.env, s.dir
	return cmd
}

// run starts a shunt for a configuration and waits until it serves addr.
func (s *controlFixture) run(addr string, args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := s.command(append([]string{"run", "--admin", ""}, args...)...)
	cmd.Stderr = os.Stderr
	inGroup(cmd)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { killGroup(cmd); _ = cmd.Wait() })
	wait.Until(s.t, "the service at "+addr, func() bool { return listening(addr) })
	return cmd
}

// ask runs a command to its end and returns its exit code and what it wrote.
func ask(t *testing.T, cmd *exec.Cmd) (code int, out string) {
	t.Helper()
	b, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// Status and reload of one file never reach the director of another, and reach
// its own by any name of the file.
func TestOneDirectorForOneFile(t *testing.T) {
	s := newControlFixture(t)
	one, first := s.config("one/site.cf")
	two, second := s.config("two/site.cf")
	idle, _ := s.config("site.cf")
	if err := os.Symlink("one/site.cf", filepath.Join(s.dir, "link.cf")); err != nil {
		t.Fatal(err)
	}
	s.run(first, "--config", one)
	s.run(second, "--config", "two/../two/site.cf")
	if code, out := ask(t, s.command("run", "--admin", "", "--config", "link.cf")); code != 1 || !strings.Contains(out, "another shunt") || !strings.Contains(out, "for "+one) {
		t.Errorf("a second director for %s: exit code %d, %s", one, code, out)
	}
	for name, want := range map[string]string{one: first, "./one/site.cf": first, "link.cf": first, two: second, "two/site.cf": second, idle: "", "./site.cf": "", "site.cf": "", "one.cf": ""} {
		for _, command := range []string{"status", "reload"} {
			code, out := ask(t, s.command(command, "--config", name))
			switch {
			case want == "" && (code != exitStopped || !strings.Contains(out, "no shunt is running for ")):
				t.Errorf("%s of %s, which nobody runs: exit code %d, %s", command, name, code, out)
			case want != "" && (code != 0 || command == "status" && !strings.Contains(out, want)):
				t.Errorf("%s of %s: exit code %d, %s", command, name, code, out)
			}
		}
	}
	// Nor where the socket is named.
	socket := filepath.Join(s.dir, "run", "named.sock")
	other, third := s.config("three.cf")
	s.run(third, "--config", other, "--control", socket)
	for _, command := range []string{"status", "reload"} {
		if code, out := ask(t, s.command(command, "--control", socket, "--config", one)); code != exitFailure || !strings.Contains(out, "runs "+other+", not "+one) {
			t.Errorf("%s of %s at another's socket: exit code %d, %s", command, one, code, out)
		}
		if code, out := ask(t, s.command(command, "--control", socket)); code != 0 {
			t.Errorf("%s at a socket: exit code %d, %s", command, code, out)
		}
	}
	// A file that is gone can still be asked about.
	if err := os.Remove(two); err != nil {
		t.Fatal(err)
	}
	if code, out := ask(t, s.command("status", "--config", two)); code != 0 || !strings.Contains(out, second) {
		t.Errorf("status of %s, which is gone: exit code %d, %s", two, code, out)
	}
}

// A user who may not open the control socket is told so, with an exit code of its
// own, and --control-group lets him.
func TestControlGroup(t *testing.T) {
	need.Root(t) // it asks as another user
	s := newControlFixture(t)
	// The folder of the binary is closed to others.
	binary := filepath.Join(s.dir, "shunt")
	copyFile(t, shuntBinary, binary)
	one, first := s.config("one.cf")
	two, second := s.config("two.cf")
	s.run(first, "--config", one)
	s.run(second, "--config", two, "--control-group", "54320")
	for _, tt := range []struct {
		config string
		groups []uint32
		code   int
	}{{one, nil, exitForbidden}, {one, []uint32{54320}, exitForbidden}, {two, nil, exitForbidden}, {two, []uint32{54320}, 0}} {
		for _, command := range []string{"status", "reload"} {
			cmd := s.command(command, "--config", tt.config)
			cmd.Path = binary
			cmd.SysProcAttr = &unix.SysProcAttr{Credential: credential(54321, tt.groups)}
			code, out := ask(t, cmd)
			if code != tt.code {
				t.Errorf("%s of %s with groups %v: exit code %d, want %d: %s", command, tt.config, tt.groups, code, tt.code, out)
			}
			for _, part := range []string{"runs, but not for you", "sudo", "--control-group GROUP", "admin address"} {
				if tt.code == exitForbidden && !strings.Contains(out, part) {
					t.Errorf("%s of %s with groups %v: no %q in %s", command, tt.config, tt.groups, part, out)
				}
			}
		}
	}
	if code, out := ask(t, s.command("run", "--config", one, "--control-group", "no-such-group")); code != exitUsage || !strings.Contains(out, "no such group") {
		t.Errorf("a group that is none: exit code %d, %s", code, out)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// The folder of others in /tmp that has the name of ours is not used, neither
// to run nor to ask.
func TestFolderOfAnotherUser(t *testing.T) {
	need.Root(t) // it is another user for a while
	s := newControlFixture(t)
	binary := filepath.Join(s.dir, "shunt")
	copyFile(t, shuntBinary, binary)
	tmp := filepath.Join(s.dir, "tmp")
	folder := filepath.Join(tmp, "shunt-54321")
	if err := errors.Join(os.Mkdir(tmp, 0o777), os.Chmod(tmp, 0o777|os.ModeSticky), os.Mkdir(folder, 0o777), os.Chmod(folder, 0o777), os.Chown(folder, 54322, 54322)); err != nil {
		t.Fatal(err)
	}
	one, addr := s.config("one.cf")
	s.env = append(s.env, "RUNTIME_DIRECTORY=", "XDG_RUNTIME_DIR=", "TMPDIR="+tmp)
	for _, mode := range []os.FileMode{0o777, 0o755} {
		if err := os.Chmod(folder, mode); err != nil {
			t.Fatal(err)
		}
		cmd := s.command("run", "--admin", "", "--config", one)
		cmd.Path = binary
		cmd.SysProcAttr = &unix.SysProcAttr{Credential: credential(54321, nil)}
		if code, out := ask(t, cmd); code != exitFailure || !strings.Contains(out, "folder "+folder) {
			t.Errorf("mode %o: run: exit code %d, %s", mode, code, out)
		}
		if listening(addr) {
			t.Error("somebody serves")
		}
	}
	// The squatter answers where a shunt would have its socket.
	s.env = append(s.env, "RUNTIME_DIRECTORY="+folder)
	squatter := s.command("run", "--admin", "", "--config", one)
	squatter.Path = binary
	squatter.SysProcAttr = &unix.SysProcAttr{Credential: credential(54322, nil)}
	if err := squatter.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = squatter.Process.Kill(); _ = squatter.Wait() })
	wait.Until(t, "the squatter's service", func() bool { return listening(addr) })
	s.env = append(s.env, "RUNTIME_DIRECTORY=")
	for _, command := range []string{"status", "reload"} {
		cmd := s.command(command, "--config", one)
		cmd.Path = binary
		cmd.SysProcAttr = &unix.SysProcAttr{Credential: credential(54321, nil)}
		if code, out := ask(t, cmd); code != exitFailure || !strings.Contains(out, "folder "+folder) || strings.Contains(out, addr) {
			t.Errorf("%s: exit code %d, %s", command, code, out)
		}
	}
}
