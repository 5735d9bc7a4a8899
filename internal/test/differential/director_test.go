//go:build kernel

package differential

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// patience is how long an event may take to arrive in a table, in a machine that
// does not count its time as well.
const patience = 4 * time.Minute

// A director is one of the two programs, and the kernel it drives.
type director struct {
	program
	kernel   *kernel
	log      string // path of what it writes
	launcher *launcher
	process  process
}

// A process is one that a director runs in.
type process interface {
	Pid() int
	Done() <-chan struct{}
}

// newDirectors makes the two directors of a file.
func newDirectors(t *testing.T, lab *netlab.Lab, f file, l *launcher) []*director {
	t.Helper()
	var directors []*director
	for _, p := range []program{f.peer(), shunt} {
		in, err := lab.Namespace(p.name)
		if err != nil {
			t.Fatal(err)
		}
		directors = append(directors, &director{
			program: p, kernel: newKernel(t, in), log: filepath.Join(t.TempDir(), p.name+".log"), launcher: l,
		})
	}
	return directors
}

func (d *director) start(t *testing.T, path string) {
	t.Helper()
	if d.command == nil {
		d.process = d.launcher.start(t, d.kernel.in, d.log, "-d", path, "start")
		return
	}
	out, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := d.command(path)
	cmd.Env = append(os.Environ(), cmd.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	if d.process, err = d.kernel.in.Start(cmd); err != nil {
		t.Fatal(err)
	}
}

// signal sends a signal once the program is at rest: one that comes in the
// middle of a check fails it, in ldirectord.
func (d *director) signal(t *testing.T, s unix.Signal) {
	t.Helper()
	d.settle(t)
	if err := unix.Kill(d.process.Pid(), s); err != nil {
		t.Fatalf("%s: %v\n%s", d.name, err, d.tail())
	}
}

// ended waits until the program has done what it does at a stop.
func (d *director) ended(t *testing.T) {
	t.Helper()
	select {
	case <-d.process.Done():
	case <-time.After(patience):
		t.Fatalf("%s does not stop\n%s", d.name, d.tail())
	}
}

// tail is the end of the program's log.
func (d *director) tail() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}

// settle waits until the program is at rest, which may be for ever. Where that
// cannot be told, it waits until nothing in the table has changed for a moment.
func (d *director) settle(t *testing.T) {
	t.Helper()
	if d.resting == nil || d.process == nil {
		d.kernel.settle(t)
		return
	}
	for began := time.Now(); time.Since(began) < patience; time.Sleep(glance) {
		select {
		case <-d.process.Done():
			return
		default:
		}
		if d.resting(d.process.Pid()) {
			return
		}
	}
}

// until waits until the table is want, with the program at rest.
func (d *director) until(t *testing.T, event, want string, thresholds bool) {
	t.Helper()
	began, got := time.Now(), ""
	for time.Since(began) < patience {
		d.settle(t)
		if got = d.kernel.table(t, thresholds); got == want {
			t.Logf("%-40s %-10s %4.1fs", event, d.name, time.Since(began).Seconds())
			return
		}
		d.kernel.change(t)
	}
	t.Errorf("%s: the table of %s is\n%s\nwant\n%s\nend of its log:\n%s", event, d.name, got, want, d.tail())
}

// standstill is longer than any check that ends in ldirectord.
const standstill = 5 * time.Second

// halts waits until the program has not been at rest for that long: it goes no
// further, and the table has to be want.
func (d *director) halts(t *testing.T, event, want string) {
	t.Helper()
	began, rested := time.Now(), time.Now()
	for ; time.Since(rested) < standstill; time.Sleep(glance) {
		if d.resting(d.process.Pid()) {
			rested = time.Now()
		}
		if time.Since(began) > patience {
			t.Fatalf("%s: %s goes on\n%s", event, d.name, d.tail())
		}
	}
	if got := d.kernel.table(t, false); got != want {
		t.Errorf("%s: %s waits, with the table\n%s\nwant\n%s\nend of its log:\n%s", event, d.name, got, want, d.tail())
	}
	t.Logf("%-40s %-10s waits", event, d.name)
}

// equipped runs a test only where all programs are that it compares.
func equipped(t *testing.T) {
	t.Helper()
	need.Programs(t, "perl", ldirectordPath, keepalivedPath, "ipvsadm") // from VMRUN_PACKAGES
}

// ipvsadm runs it with what it is to read.
func (k *kernel) ipvsadm(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	var out, complaint bytes.Buffer
	err := k.in.Do(func() error {
		cmd := exec.Command("ipvsadm", args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaint
		return cmd.Run()
	})
	if err != nil {
		t.Fatalf("%v: ipvsadm %s: %v\n%s%s", k.in, strings.Join(args, " "), err, complaint.String(), stdin)
	}
	return out.String()
}
