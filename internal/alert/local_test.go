package alert_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program writes a script that stands for the local mail program and runs in
// its own folder.
func program(t *testing.T, script string) (path, dir string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "sendmail")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncd '"+dir+"'\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path, dir
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMailProgram(t *testing.T) {
	path, dir := program(t, `echo "$@" >args; cat >mail; echo warning >&2`)
	set := settings()
	set.Programs = []string{filepath.Join(dir, "missing"), path}
	log := deliver(t, set, sample(""))
	if got := read(t, dir, "args"); got != "-oi -t\n" {
		t.Errorf("arguments %q", got)
	}
	raw := read(t, dir, "mail")
	if strings.Contains(raw, "\r") {
		t.Errorf("carriage returns in %q", raw)
	}
	checkSample(t, raw)
	if strings.Contains(log, "level=ERROR") {
		t.Errorf("log:\n%s", log)
	}
}

func TestMailProgramTroubles(t *testing.T) {
	tests := []struct{ name, script, log string }{
		{"fails once", "test -e failed || { touch failed; exit 75; }", ""},
		{"fails always", "echo no queue >&2; exit 75", "exit status 75: no queue"},
		{"hangs", "sleep 1000", "deadline exceeded"},
		{"leaves a child with its output", "sleep 1000 & sleep 1000", "deadline exceeded"},
		{"says too much", "yes | head -c 1000000 >&2; exit 1", "exit status 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, _ := program(t, tt.script)
			set := settings()
			set.Programs = []string{path}
			if tt.log == "deadline exceeded" {
				set.Attempt = 200 * time.Millisecond
			}
			log := deliver(t, set, sample(""))
			if failed := strings.Contains(log, "failed to send email message"); failed != (tt.log != "") {
				t.Errorf("failed %v", failed)
			}
			if !strings.Contains(log, tt.log) || len(log) > 20_000 {
				t.Errorf("log of %d bytes lacks %q:\n%.2000s", len(log), tt.log, log)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		set := settings()
		set.Programs = []string{filepath.Join(t.TempDir(), "sendmail")}
		set.Pauses = []time.Duration{time.Hour} // not worth another attempt
		log := deliver(t, set, sample(""))
		if !strings.Contains(log, "no local mail program: install one or name a relay with smtp") {
			t.Errorf("log:\n%s", log)
		}
	})
}
