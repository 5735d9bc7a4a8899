package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// loopbackAddr is an address that nobody listens on.
func loopbackAddr(t *testing.T) string {
	t.Helper()
	return process.FreeAddr(t).String()
}

// listening reports whether somebody listens at addr. Who resets a connection
// at once does.
func listening(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		c.Close()
	}
	return err == nil || errors.Is(err, unix.ECONNRESET)
}

// SIGHUP reloads, SIGUSR1 reopens the log, SIGTERM ends all of it; a second
// configuration named by execute is started, reloaded and stopped along.
func TestSignalsAndExecute(t *testing.T) {
	dir := t.TempDir()
	log, one, two := filepath.Join(dir, "log"), filepath.Join(dir, "one.cf"), filepath.Join(dir, "two.cf")
	first, second, third := loopbackAddr(t), loopbackAddr(t), loopbackAddr(t)
	service := "virtual = %s\n\tfallback = sorry\n\tservice = http\n"
	write(t, one, fmt.Sprintf("logfile = \"%s\"\nexecute = %s\n"+service, log, two, first))
	write(t, two, fmt.Sprintf(service, second))
	cmd := exec.CommandContext(t.Context(), shuntBinary, "run", "--config", one, "--admin", "")
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+dir, "SHUNT_CONTROL=")
	cmd.Stderr = os.Stderr
	inGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer killGroup(cmd)
	wait.Until(t, "both services", func() bool { return listening(first) && listening(second) })

	write(t, two, fmt.Sprintf(service, third))
	send(t, cmd, unix.SIGHUP)
	wait.Until(t, "reload", func() bool { return listening(third) && !listening(second) })

	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	send(t, cmd, unix.SIGUSR1)
	wait.Until(t, "new log file", func() bool { _, err := os.Stat(log); return err == nil })
	if text, err := os.ReadFile(log + ".1"); err != nil || !strings.Contains(string(text), "configuration reloaded") {
		t.Errorf("the old log file has %q, %v", text, err)
	}

	send(t, cmd, unix.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("shunt: %v", err)
	}
	if listening(first) || listening(third) {
		t.Error("somebody still listens")
	}
}

func send(t *testing.T, cmd *exec.Cmd, s unix.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
