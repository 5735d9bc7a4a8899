package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/wait"
)

// `shunt status` succeeds when every service is served, and exits with a code of
// its own while one is not: with the same output, and the reason.
func TestStatusOfWhatIsNotServed(t *testing.T) {
	taken, err := net.Listen("tcp", loopbackAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	file, control := filepath.Join(dir, "test.cf"), filepath.Join(dir, "control.sock")
	write(t, file, "virtual = "+taken.Addr().String()+"\n\treal = 127.0.0.1:1 masq\n\tfallback = sorry\n\tservice = http\n")
	run := exec.CommandContext(t.Context(), shuntBinary, "run", "--config", file, "--control", control, "--admin", "", "--dataplane", "proxy")
	inGroup(run)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		killGroup(run)
		_ = run.Wait()
	}()
	status := func() (int, string) {
		cmd := exec.CommandContext(t.Context(), shuntBinary, "status", "--config", file, "--control", control)
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	wait.Until(t, "the refusal", func() bool {
		code, out := status()
		return code == exitUnready && strings.Contains(out, "shunt: not ready: not served as wanted: 1 of 1 virtual services; tcp "+
			taken.Addr().String()+" cannot be served: ") && strings.Contains(out, "SERVICE / REAL SERVER")
	})
	taken.Close()
	wait.Until(t, "the service", func() bool {
		code, _ := status()
		if code != 0 && code != exitUnready {
			t.Fatalf("status exits with %d", code)
		}
		if code == 0 && !listening(taken.Addr().String()) {
			t.Fatal("status has succeeded, and nobody serves")
		}
		return code == 0
	})
}
