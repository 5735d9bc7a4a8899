package claim_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall" //nolint:depguard // Credential has no other name
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/claim"
	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// claimVar is the variable with the name that TestHolder claims.
const claimVar = "SHUNT_TEST_CLAIM"

func TestMain(m *testing.M) { leak.Main(m) }

// newName returns a name that no other run of the tests claims.
func newName(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("%s %d", t.Name(), os.Getpid())
}

// wantHeld waits until Held returns want: the kernel closes the socket of a killed
// process a little later.
func wantHeld(t *testing.T, name string, want bool) {
	t.Helper()
	wait.Until(t, fmt.Sprintf("Held(%q) is %v", name, want), func() bool { return claim.Held(name) == want })
}

// TestHolder is the other process of other tests: it claims a name until its input
// ends.
func TestHolder(t *testing.T) {
	name := os.Getenv(claimVar)
	if name == "" {
		return // no other test has started it
	}
	c := claim.New(name)
	fmt.Println("claimed:", c != claim.Claim{})
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// start starts a process that claims name as a user, and returns when it has done
// so. The process ends with the test, or when stdin is closed.
func start(t *testing.T, name string, user int) (cmd *exec.Cmd, stdin io.Closer) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestHolder$")
	cmd.Env = append(os.Environ(), claimVar+"="+name)
	if user != os.Geteuid() {
		cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "claimed: true" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return cmd, stdin
}

// TestClose: a claim lasts from New to Close, and closing again does nothing.
func TestClose(t *testing.T) {
	name := newName(t)
	wantHeld(t, name, false)
	c := claim.New(name)
	wantHeld(t, name, true)
	wantHeld(t, name+" other", false)
	c.Close()
	wantHeld(t, name, false)
	c.Close()
	again := claim.New(name)
	defer again.Close()
	wantHeld(t, name, true)
}

// TestSecondIsEmpty: the second claim of a name is empty, and its Close does not
// end the first.
func TestSecondIsEmpty(t *testing.T) {
	name := newName(t)
	first := claim.New(name)
	defer first.Close()
	second := claim.New(name)
	if second != (claim.Claim{}) {
		t.Fatal("two claims of one name")
	}
	second.Close()
	wantHeld(t, name, true)
}

// TestProcessEnds: the claim of another process is held until that ends, on its
// own or killed, and can be made anew then.
func TestProcessEnds(t *testing.T) {
	for how, end := range map[string]func(*exec.Cmd, io.Closer) error{
		"ends":   func(_ *exec.Cmd, stdin io.Closer) error { return stdin.Close() },
		"killed": func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Kill() },
	} {
		t.Run(how, func(t *testing.T) {
			name := newName(t)
			cmd, stdin := start(t, name, os.Geteuid())
			wantHeld(t, name, true)
			if claim.New(name) != (claim.Claim{}) {
				t.Fatal("a claim of another process was made anew")
			}
			if err := end(cmd, stdin); err != nil {
				t.Fatal(err)
			}
			wantHeld(t, name, false)
			c := claim.New(name)
			defer c.Close()
			wantHeld(t, name, true)
		})
	}
}

// TestForeignUser: the claim of another user does not count.
func TestForeignUser(t *testing.T) {
	need.Root(t)
	const nobody = 65534
	name := newName(t)
	start(t, name, nobody)
	if claim.Held(name) {
		t.Error("the claim of another user is held")
	}
}

// TestManyQuestions: Held answers after the backlog of the socket is full, which
// nobody accepts from.
func TestManyQuestions(t *testing.T) {
	name := newName(t)
	start(t, name, os.Geteuid())
	for i := range 5000 {
		if !claim.Held(name) {
			t.Fatalf("not held at question %d", i)
		}
	}
}

// TestFileOfTheName: a file or a socket left in a folder claims nothing, because
// names of claims are no paths.
func TestFileOfTheName(t *testing.T) {
	t.Chdir(t.TempDir())
	name := newName(t)
	for _, path := range []string{"shunt " + name, "@shunt " + name} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantHeld(t, name, false)
	c := claim.New(name)
	defer c.Close()
	wantHeld(t, name, true)
}
