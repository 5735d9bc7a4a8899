package checks_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// program writes an executable file.
func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

const sh = "#!/bin/sh\n"

func external(command string) checks.Target {
	return checks.Target{
		Command: command, VirtualAddr: "[::1]", VirtualPort: "80", RealAddr: "192.0.2.1", RealPort: "0",
	}
}

// These tests are not parallel: a file that is being written while another
// goroutine forks cannot be executed (ETXTBSY).
func TestExternal(t *testing.T) {
	tests := []struct{ name, program, err string }{
		{"good", sh + "exit 0", ""},
		{"four arguments", sh + `[ "$*/$#" = "[::1] 80 192.0.2.1 0/4" ]`, ""},
		{"stdin is empty", sh + `! read line`, ""},
		{"exit status", sh + "exit 2", "exit status 2"},
		{"first line", sh + "echo; echo '  disk  full '; echo more; exit 2", "exit status 2: disk  full"},
		{"standard error", sh + "echo disk full >&2; exit 1", "exit status 1: disk full"},
		{"no terminal sequences", sh + `printf '\033[1mdisk\tfull\377\n'; exit 1`, "exit status 1: [1mdisk full"},
		{"noise", sh + "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; exit 1", "exit status 1: 0"},
		{"noise without end of line", sh + "head -c 300000 /dev/zero | tr '\\0' x; exit 1", "exit status 1: " + strings.Repeat("x", 1024)},
		{"good noise", sh + "head -c 300000 /dev/zero", ""},
		{"signal", sh + "echo oops; kill -TERM $$", "killed by signal: terminated: oops"},
		{"kill", sh + "kill -KILL $$", "killed by signal: killed"},
		{"no first line", "[ $# = 4 ] && exit 3", "exit status 3"},
		{"no interpreter", "#!/no/such/interpreter\n", "the interpreter that its first line names does not exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := program(t, tt.program)
			err := run(t, "external", long, external(path))
			if got, words := errText(err), wrapped("external "+path+": ", tt.err); got != words {
				t.Errorf("got  %q\nwant %q", got, words)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestExternalCannotStart(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte(sh), 0o644); err != nil {
		t.Fatal(err)
	}
	for command, reason := range map[string]string{
		"/no/such/check":    "no such file or directory",
		"/bin/true -x":      "no such file or directory", // one name, no arguments
		plain:               "permission denied",
		t.TempDir():         "permission denied",
		"no-such-check":     "executable file not found in $PATH",
		plain + "/sub/path": "not a directory",
	} {
		err := run(t, "external", long, external(command))
		if got, words := errText(err), "external "+command+": "+reason; got != words {
			t.Errorf("got  %q\nwant %q", got, words)
		}
	}
}

func TestExternalTimeout(t *testing.T) {
	path := program(t, sh+"exec sleep 1000")
	if got, words := errText(run(t, "external", brief, external(path))), "external "+path+": timed out after 200ms"; got != words {
		t.Errorf("got  %q\nwant %q", got, words)
	}
}

// A program that hangs is ended with all its children.
func TestExternalHangs(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	path := program(t, fmt.Sprintf(`#!/bin/sh
trap '' TERM INT HUP
echo waiting for the database
(sleep 1000 & echo $! >>%[1]s; wait) &
sleep 1000 &
echo $! $$ >>%[1]s
wait; wait; sleep 1000
`, pids))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- checks.External(ctx, external(path)) }()
	wait.Until(t, "the program runs", func() bool {
		b, _ := os.ReadFile(pids)
		return len(strings.Fields(string(b))) == 3
	})
	cancel()
	got := errText(<-done)
	if words := `external ` + path + `: cancelled having written "waiting for the database"`; got != words {
		t.Errorf("got  %q\nwant %q", got, words)
	}
	gone(t, pids, 3)
}

// TestExternalLeavesChildren: children in the group of a program that has ended
// are ended too, and do not hold up the check though they hold the pipe.
func TestExternalLeavesChildren(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	path := program(t, fmt.Sprintf("#!/bin/sh\nsleep 1000 &\necho $! >%s\n", pids))
	if err := run(t, "external", long, external(path)); err != nil {
		t.Error(err)
	}
	gone(t, pids, 1)
}

// TestExternalDetachedChild: a child that has left the group does not hold up the
// check.
func TestExternalDetachedChild(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	path := program(t, fmt.Sprintf("#!/bin/sh\nsetsid sh -c 'echo $$ >%s; exec sleep 1000' &\n"+
		"while ! [ -s %[1]s ]; do sleep 0.01; done\n", pids))
	if err := run(t, "external", long, external(path)); err != nil {
		t.Error(err)
	}
	for _, pid := range numbers(t, pids) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	gone(t, pids, 1)
}

// gone waits until the n processes whose numbers are in a file have ended.
func gone(t *testing.T, path string, n int) {
	t.Helper()
	list := numbers(t, path)
	if len(list) != n {
		t.Errorf("%d processes wrote their number, want %d", len(list), n)
	}
	for _, pid := range list {
		wait.Until(t, fmt.Sprintf("process %d is gone", pid), func() bool { return !running(pid) })
	}
}

// running reports whether a process runs. One that only waits for process 1 to
// notice its end does not.
func running(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func numbers(t *testing.T, path string) (list []int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for s := range strings.FieldsSeq(string(b)) {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// No child of this process is left unreaped.
func TestExternalNoZombies(t *testing.T) {
	for _, text := range []string{"exit 0", "exit 1", "kill -KILL $$", "sleep 1000"} {
		_ = run(t, "external", brief, external(program(t, sh+text)))
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("there are children left: wait4 gives %d, %v", pid, err)
	}
}

func TestExternalPerl(t *testing.T) {
	tests := []struct{ name, program, err string }{
		{"no exit", `1;`, ""},
		{"exit 0", `exit 0;`, ""},
		{"four arguments", `exit("@ARGV" eq "[::1] 80 192.0.2.1 0" ? 0 : 1);`, ""},
		{"exit 3", `exit 3;`, "exit status 3"},
		{"die", `die "disk full\n";`, "exit status 255: disk full"},
		{"syntax error", `exit 0; {`, "exit status 255: Missing right curly or square bracket at FILE line 1, at end of line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "check.pl")
			if err := os.WriteFile(path, []byte(tt.program), 0o644); err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(errText(run(t, "external-perl", long, external(path))), path, "FILE")
			if words := wrapped("external-perl FILE: ", tt.err); got != words {
				t.Errorf("got  %q\nwant %q", got, words)
			}
		})
	}
	got := errText(run(t, "external-perl", long, external("/no/such.pl")))
	if words := `external-perl /no/such.pl: exit status 2: Can't open perl script "/no/such.pl": No such file or directory`; got != words {
		t.Errorf("got  %q\nwant %q", got, words)
	}
}

func TestExternalPerlMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	got := errText(run(t, "external-perl", long, external("/x.pl")))
	if words := "external-perl /x.pl: perl is needed to run it: executable file not found in $PATH"; got != words {
		t.Errorf("got  %q\nwant %q", got, words)
	}
}
