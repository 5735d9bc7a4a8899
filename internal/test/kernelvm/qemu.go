package kernelvm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/kernelvm/internal/guest"
)

// Emulator is the program that a machine runs in.
const Emulator = "qemu-system-x86_64"

// Files of a running machine.
const (
	initrdFile  = "initrd"
	consoleFile = "console"
	reportFile  = "report"
)

// commandLine is the kernel's: it crashes for good on the first error, and has
// randomness from the processor, for there is nothing else to take it from.
// Programs have the same addresses in all of their processes, because the
// emulator translates code anew for every address it is found at: this way
// starting a small program costs a quarter. A busy host may deliver the timer so
// late that the kernel takes it for broken: it does not look.
const commandLine = "console=ttyS0 quiet panic=-1 oops=panic mitigations=off random.trust_cpu=on norandmaps no_timer_check"

// lastWords is how much of the console is kept for an error.
const lastWords = 64 << 10

var (
	// ErrLimit is why a machine was killed that ran for too long.
	ErrLimit = errors.New("killed at the time limit")
	// ErrCrash is why a machine stopped whose kernel did.
	ErrCrash = errors.New("the kernel crashed")
	// ErrSilent is what a machine ended with that reported no exit status.
	ErrSilent = errors.New("the machine gave no exit status")
)

// A Failure is a machine that did not run its command to the end.
type Failure struct {
	Cause   error
	Console string // what the kernel said, the last 64 KiB of it
}

// Error returns the cause and the console.
func (f *Failure) Error() string {
	if f.Console == "" {
		return f.Cause.Error() + "; the console is empty"
	}
	return fmt.Sprintf("%v; the console:\n%s", f.Cause, f.Console)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// boot runs the emulator until the machine is switched off or ctx ends.
func (m Machine) boot(ctx context.Context, dir string) error {
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, Emulator, m.arguments(dir)...)
	cmd.Stderr = &complaints
	cmd.Stdout = struct{ io.Writer }{io.Discard} // the emulator gets no file of ours: it makes them non-blocking
	if m.Stdout != nil {
		cmd.Stdout = struct{ io.Writer }{m.Stdout}
	}
	if m.Stdin != nil {
		cmd.Stdin = m.Stdin
	}
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	// The death signal belongs to the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w %s", Emulator, err, bytes.TrimSpace(complaints.Bytes()))
	}
	return nil
}

// arguments names the accelerator: the one the emulator would choose may hang.
// A processor that boasts of fast copying of bytes has the kernel copy and
// clear pages byte by byte, which is slow where it is emulated. The emulator
// counts instructions only with one thread for all processors.
func (m Machine) arguments(dir string) []string {
	signals := "off"
	if m.Stdin == nil {
		signals = "on"
	}
	threads, clock := "multi", []string(nil)
	if m.Counted {
		threads, clock = "single", []string{"-icount", "shift=0,sleep=off", "-rtc", "clock=vm"}
	}
	return append(clock,
		"-accel", "tcg,thread="+threads, "-cpu", "max,erms=off,fsrm=off",
		"-m", strconv.Itoa(or(m.Memory, 512)), "-smp", strconv.Itoa(or(m.CPUs, 1)),
		"-nodefaults", "-no-reboot", "-display", "none", "-vga", "none", "-net", "none",
		"-serial", "file:"+filepath.Join(dir, consoleFile),
		"-chardev", "stdio,id=stdio,signal="+signals, "-serial", "chardev:stdio",
		"-serial", "file:"+filepath.Join(dir, reportFile),
		"-kernel", filepath.Join(m.Kernel.dir, imageFile),
		"-initrd", filepath.Join(dir, initrdFile),
		"-append", commandLine,
	)
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// cause says why there is no exit status: what ended the machine, as far as
// that is known.
func cause(ctx context.Context, ran, received error, said string) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case ran != nil:
		return ran
	}
	if strings.Contains(said, "Kernel panic") {
		return ErrCrash
	}
	return fmt.Errorf("%w: %w", ErrSilent, received)
}

// console returns the end of what the kernel said.
func console(dir string) string {
	said, err := os.ReadFile(filepath.Join(dir, consoleFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	said = said[max(0, len(said)-lastWords):]
	return strings.ReplaceAll(string(said), "\r", "")
}

// size returns the size of a terminal; 24 lines of 80 if it is none.
func size(f *os.File) *guest.Size {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Row == 0 {
		return &guest.Size{Rows: 24, Columns: 80}
	}
	return &guest.Size{Rows: ws.Row, Columns: ws.Col}
}
