package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The command line, end to end: testdata/script/*.txtar.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(shuntBinary)+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Setenv("SHUNT_CONTROL", filepath.Join(e.WorkDir, "control.sock"))
			e.Setenv("SHUNT_ADMIN", "127.0.0.1:0")
			e.Setenv("SHUNT_DATAPLANE", "proxy")
			e.Setenv("VIP", loopbackAddr(t))
			e.Setenv("REAL", loopbackAddr(t))
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "ipvs" {
				return false, fmt.Errorf("no condition is called %q", name)
			}
			return hasIPVS(), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "waitfor": waitFor, "wrong": wrong},
	})
}

// waitFor runs a command of shunt's until what it prints matches: waitfor
// PATTERN status.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = ts.Exec("shunt", args[1:]...); err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%s does not appear: %v", want, err)
}

// exits runs a program and checks its exit code: exits CODE PROGRAM ARGS.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// wrong runs shunt with a wrong command line: wrong CODE PATTERN ARGS. It wants the
// exit code, one line on standard error that matches, and nothing else, so that
// shunt has not begun with anything.
func wrong(ts *testscript.TestScript, _ bool, args []string) {
	exits(ts, false, append([]string{args[0], "shunt"}, args[2:]...))
	said := strings.TrimSuffix(ts.ReadFile("stderr"), "\n")
	if matched, err := regexp.MatchString("^shunt: .*"+args[1], said); !matched || err != nil || strings.Contains(said, "\n") {
		ts.Fatalf("standard error is %q, want one line that matches %s, %v", said, args[1], err)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("standard output is %q", out)
	}
}
