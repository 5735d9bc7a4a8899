package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// programs are where the local mail program may be: the first one is taken.
var programs = []string{"/usr/sbin/sendmail", "/usr/lib/sendmail"}

var errNoProgram = errors.New("no local mail program: install one or name a relay with smtp")

// viaProgram gives l to the local mail program, which does its own queueing.
// The recipients are in the header, not among the arguments, where one could
// pass for an option.
func (l letter) viaProgram(ctx context.Context, paths []string) error {
	path, err := firstFile(paths)
	if err != nil {
		return err
	}
	var in, said bytes.Buffer
	if _, err := l.msg.WriteTo(&in); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	cmd := exec.CommandContext(ctx, path, "-oi", "-t")
	// Mail programs on this side of the network expect the local line end.
	cmd.Stdin = bytes.NewReader(bytes.ReplaceAll(in.Bytes(), []byte("\r\n"), []byte("\n")))
	cmd.Stderr = &bounded{b: &said}
	cmd.WaitDelay = time.Second
	// Processes that it has started end with it.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", path, both(ctx.Err(), err), bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

func firstFile(paths []string) (string, error) {
	for _, p := range paths {
		if fi, err := os.Stat(p); err == nil && !fi.IsDir() {
			return p, nil
		}
	}
	return "", errNoProgram
}

// bounded keeps the first bytes written to it and swallows the rest.
type bounded struct{ b *bytes.Buffer }

func (w *bounded) Write(p []byte) (int, error) {
	const enough = 1 << 10
	w.b.Write(p[:min(len(p), enough-min(w.b.Len(), enough))])
	return len(p), nil
}
