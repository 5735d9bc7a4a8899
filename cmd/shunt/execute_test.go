package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/wait"
)

// `shunt reload` reaches the configurations of execute as SIGHUP does, and a
// second signal to stop cuts short what they wait for too.
func TestExecuteFollows(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.cf"), filepath.Join(dir, "two.cf")
	first, second, third := loopbackAddr(t), loopbackAddr(t), loopbackAddr(t)
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	patient := "cleanstop = no\ndraintimeout = 3600\nvirtual = %s\n\treal = " + back.Addr().String() + " masq\n\tchecktype = on\n"
	write(t, one, fmt.Sprintf("execute = %s\nvirtual = %s\n\tfallback = sorry\n\tservice = http\n", two, first))
	write(t, two, fmt.Sprintf(patient, second))
	env := append(os.Environ(), "RUNTIME_DIRECTORY="+dir, "SHUNT_CONTROL=")
	cmd := startRun(t, env, one)
	defer killGroup(cmd)
	wait.Until(t, "both services", func() bool { return listening(first) && listening(second) })

	write(t, two, fmt.Sprintf(patient, third))
	reload := exec.CommandContext(t.Context(), shuntBinary, "reload", "--config", one)
	reload.Env = env
	if out, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wait.Until(t, "reload", func() bool { return listening(third) && !listening(second) })

	c, err := net.Dial("tcp", third)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	held, err := back.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	send(t, cmd, unix.SIGTERM)
	wait.Until(t, "the drain", func() bool { return !listening(third) })
	send(t, cmd, unix.SIGTERM)
	_, _ = io.Copy(io.Discard, c) // until it is cut
	_ = cmd.Wait()                // what the second signal makes of the exit code is not the matter here
	if listening(first) {
		t.Error("somebody still listens")
	}
}

// A reload starts the configurations of execute that it brings and stops those
// that it takes away.
func TestReloadOfExecute(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.cf"), filepath.Join(dir, "two.cf")
	first, second := loopbackAddr(t), loopbackAddr(t)
	section := func(addr string) string {
		return "virtual = " + addr + "\n\treal = 127.0.0.1:1 masq\n\tchecktype = on\n"
	}
	write(t, one, section(first))
	write(t, two, section(second))
	env := append(os.Environ(), "RUNTIME_DIRECTORY="+dir, "SHUNT_CONTROL=")
	cmd := startRun(t, env, one)
	defer func() {
		killGroup(cmd)
		_ = cmd.Wait()
	}()
	wait.Until(t, "the service", func() bool { return listening(first) })
	for range 2 {
		write(t, one, "execute = "+two+"\n"+section(first))
		send(t, cmd, unix.SIGHUP)
		wait.Until(t, "the other configuration", func() bool { return listening(second) })
		write(t, one, section(first))
		send(t, cmd, unix.SIGHUP)
		wait.Until(t, "the end of the other configuration", func() bool { return !listening(second) })
	}
	if !listening(first) {
		t.Error("the service is gone")
	}
}

// The state file that the environment names is of the configuration that shunt was
// started with. Those of execute leave it alone.
func TestExecuteLeavesTheStateFile(t *testing.T) {
	dir := t.TempDir()
	one, two, state := filepath.Join(dir, "one.cf"), filepath.Join(dir, "two.cf"), filepath.Join(dir, "orders.state")
	first, second := loopbackAddr(t), loopbackAddr(t)
	write(t, one, "execute = "+two+"\nvirtual = "+first+"\n\treal = 127.0.0.1:1 masq\n\tchecktype = on\n")
	write(t, two, "virtual = "+second+"\n\treal = 127.0.0.1:1 masq\n\tchecktype = on\n")
	env := append(os.Environ(), "RUNTIME_DIRECTORY="+dir, "STATE_DIRECTORY="+dir, "SHUNT_CONTROL=", "SHUNT_STATE="+state)
	for try := range 2 {
		cmd := startRun(t, env, one)
		defer killGroup(cmd)
		wait.Until(t, "both services", func() bool { return listening(first) && listening(second) })
		if try == 0 {
			drain := exec.CommandContext(t.Context(), shuntBinary, "drain", "127.0.0.1:1", "--config", one)
			drain.Env = env
			if out, err := drain.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		send(t, cmd, unix.SIGTERM)
		_ = cmd.Wait()
		if text, err := os.ReadFile(state); err != nil || !strings.Contains(string(text), `"state":"drain"`) {
			t.Fatalf("the state file after start %d: %s, %v", try+1, text, err)
		}
	}
	if _, err := os.Stat(state + ".bad"); err == nil {
		t.Error("the state file was set aside")
	}
}

// startRun starts a director without an admin address, in a process group of its own.
func startRun(t *testing.T, env []string, config string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shuntBinary, "run", "--config", config, "--admin", "")
	cmd.Env, cmd.Stderr = env, os.Stderr
	inGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}
