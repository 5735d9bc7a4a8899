//go:build kernel

package differential

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/netlab"
)

// ldirectordPath is where Debian has it.
const ldirectordPath = "/usr/sbin/ldirectord"

// patience is how long an event may take to arrive in a table: a Perl program
// that starts beside others in an emulated machine takes its time.
const patience = 2 * time.Minute

// A director is one of the two programs in its namespace.
type director struct {
	name    string
	in      *netlab.Namespace
	command func(file string) *exec.Cmd
	log     string // path of what it writes
	process *netlab.Process
}

func ldirectord(file string) *exec.Cmd {
	cmd := exec.Command("perl", ldirectordPath, "-d", file, "start")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

func shunt(file string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+file)
	return cmd
}

// equipped gives up where the machine lacks a program: with a skip, or with a
// failure where CI is true.
func equipped(t *testing.T) {
	t.Helper()
	for _, program := range []string{"perl", ldirectordPath, "ipvsadm"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		} else if os.Getenv("CI") == "true" {
			t.Fatalf("the machine has to have ldirectord and ipvsadm (VMRUN_PACKAGES): %v", err)
		} else {
			t.Skipf("the machine has no ldirectord or no ipvsadm (VMRUN_PACKAGES): %v", err)
		}
	}
}

func (d *director) start(t *testing.T, file string) {
	t.Helper()
	out, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := d.command(file)
	cmd.Stdout, cmd.Stderr = out, out
	if d.process, err = d.in.Start(cmd); err != nil {
		t.Fatal(err)
	}
}

func (d *director) reload(t *testing.T) {
	t.Helper()
	if err := unix.Kill(d.process.Pid(), unix.SIGHUP); err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
}

// stop waits until the program has done what it does at a stop.
func (d *director) stop(t *testing.T) {
	t.Helper()
	if err := unix.Kill(d.process.Pid(), unix.SIGTERM); err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	select {
	case <-d.process.Done():
	case <-time.After(patience):
		t.Fatalf("%s does not stop", d.name)
	}
}

// ipvsadm runs it in the director's namespace.
func (d *director) ipvsadm(t *testing.T, args ...string) string {
	t.Helper()
	var out, complaint bytes.Buffer
	err := d.in.Do(func() error {
		cmd := exec.Command("ipvsadm", args...)
		cmd.Stdout, cmd.Stderr = &out, &complaint
		return cmd.Run()
	})
	if err != nil {
		t.Fatalf("%s: ipvsadm %s: %v\n%s", d.name, strings.Join(args, " "), err, complaint.String())
	}
	return out.String()
}

// table is what ipvsadm -Sn prints. Real servers stand in the order they were
// added in, which is of no importance.
func (d *director) table(t *testing.T) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(d.ipvsadm(t, "-Sn")), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// until waits until the table is want and stays it for a moment.
func (d *director) until(t *testing.T, event, want string) {
	t.Helper()
	began, seen, got := time.Now(), 0, ""
	for time.Since(began) < patience {
		if got = d.table(t); got != want {
			seen = 0
		} else if seen++; seen == 2 {
			t.Logf("%-40s %-10s %4.1fs", event, d.name, time.Since(began).Seconds())
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Errorf("%s: the table of %s is\n%s\nwant\n%s\nend of its log:\n%s", event, d.name, got, want, d.tail())
}

// tail is the end of the program's log.
func (d *director) tail() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}

// pair makes the two directors, with their ends of the network.
func pair(t *testing.T, lab *netlab.Lab) []*director {
	t.Helper()
	pair := []*director{{name: "ldirectord", command: ldirectord}, {name: "shunt", command: shunt}}
	for _, d := range pair {
		in, err := lab.Namespace(d.name)
		if err != nil {
			t.Fatal(err)
		}
		d.in, d.log = in, filepath.Join(t.TempDir(), fmt.Sprintf("%s.log", d.name))
	}
	return pair
}
