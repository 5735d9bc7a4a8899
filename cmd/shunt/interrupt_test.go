package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A signal to stop that comes when a start is past being interrupted is not
// lost.
func TestLateInterruption(t *testing.T) {
	stops := make(chan os.Signal, 1)
	stopped, err := interruptible(t.Context(), stops, func(ctx context.Context) error {
		stops <- unix.SIGTERM
		<-ctx.Done()
		return nil
	})
	if !stopped || err != nil {
		t.Errorf("stopped %v, err %v", stopped, err)
	}
}

// Told to stop at any moment of its start, shunt ends, with 0.
func TestStopDuringStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "one.cf")
	write(t, file, "virtual = "+loopbackAddr(t)+"\n\treal = 127.0.0.1:1 masq\n")
	for _, after := range []time.Duration{0, 1, 2, 4, 8, 16} {
		cmd := exec.CommandContext(t.Context(), shuntBinary, "run", "--config", file, "--admin", "")
		cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+dir, "SHUNT_CONTROL=")
		inGroup(cmd)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Its first words say that signals are heeded.
		_, _ = stderr.Read(make([]byte, 1))
		time.Sleep(after * time.Millisecond)
		send(t, cmd, unix.SIGTERM)
		_, _ = io.Copy(io.Discard, stderr)
		if err := cmd.Wait(); err != nil {
			t.Errorf("stopped %d ms after its first words: %v", after, err)
		}
		killGroup(cmd)
	}
}
