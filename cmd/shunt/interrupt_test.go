package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// A signal to stop that comes when a start is past being interrupted is not
// lost.
func TestLateInterruption(t *testing.T) {
	stops := make(chan os.Signal, 1)
	stopped, err := interruptible(t.Context(), stops, time.Minute, func(ctx context.Context) error {
		stops <- unix.SIGTERM
		<-ctx.Done()
		return nil
	})
	if !stopped || err != nil {
		t.Errorf("stopped %v, err %v", stopped, err)
	}
}

// TestLeftBehind: a function that does not end is left behind when its time is over,
// and soon after a second signal, however many more there are.
func TestLeftBehind(t *testing.T) {
	for signals, want := range map[int]time.Duration{1: time.Minute, 2: 5*time.Second + hurryWait, 5: 5*time.Second + hurryWait} {
		synctest.Test(t, func(t *testing.T) {
			stops, hang := make(chan os.Signal), make(chan struct{})
			defer close(hang)
			over, end := context.WithCancel(t.Context())
			defer end()
			go func() {
				for i := range signals {
					select {
					case stops <- unix.SIGTERM:
					case <-over.Done():
						return
					}
					time.Sleep(5 * time.Second / time.Duration(1+i*20))
				}
			}()
			start := time.Now()
			stopped, err := interruptible(t.Context(), stops, time.Minute, func(context.Context) error { <-hang; return nil })
			if took := time.Since(start); !stopped || !errors.Is(err, errLeftBehind) || took != want {
				t.Errorf("%d signals: stopped %v after %v, want %v: %v", signals, stopped, took, want, err)
			}
		})
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
