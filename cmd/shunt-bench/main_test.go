package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/bench"
	"github.com/shunt-lb/shunt/bench/report"
	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

func TestMain(m *testing.M) {
	bench.Main()
	leak.Main(m)
}

func call(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	status = run(t.Context(), append([]string{"shunt-bench"}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

func TestWrongInputIsOneLine(t *testing.T) {
	for want, args := range map[string]string{
		`no command is called "measure": see shunt-bench --help`:                                                        "measure",
		`flag provided but not defined: -fast: see shunt-bench run --help`:                                              "run --fast",
		`run takes no arguments, got "haproxy"`:                                                                         "run haproxy",
		`weights "2;1": want numbers with commas, such as 2,1`:                                                          "run --weights 2;1",
		`real servers "1k": want numbers with commas, such as 2,1`:                                                      "run --real-servers 1k",
		`compare wants OLD.json NEW.json: see shunt-bench compare --help`:                                               "compare one.json",
		`open nothing.json: no such file or directory`:                                                                  "report nothing.json",
		`no subject is called "lvs": there are shunt-proxy, haproxy, nginx, direct, shunt-ipvs, ldirectord, keepalived`: "run --subjects lvs",
	} {
		status, stdout, stderr := call(t, strings.Fields(args)...)
		if status != 1 || stderr != "shunt-bench: "+want+"\n" || stdout != "" {
			t.Errorf("%s: status %d, %q, %q", args, status, stdout, stderr)
		}
	}
}

func TestHelpHasExamples(t *testing.T) {
	status, stdout, _ := call(t, "--help")
	if status != 0 || !strings.Contains(stdout, "shunt-bench run --scenario connections,requests --subjects shunt-proxy,haproxy,direct") {
		t.Errorf("status %d:\n%s", status, stdout)
	}
	if status, stdout, _ = call(t, "run", "--help"); status != 0 || !strings.Contains(stdout, "--weights") {
		t.Errorf("status %d:\n%s", status, stdout)
	}
}

func TestRunLeavesAReport(t *testing.T) {
	netlab.Test(t)
	dir := filepath.Join(t.TempDir(), "report")
	args := []string{"run", "--scenario", "connections,requests,mixed,pieces", "--subjects", "direct", "--connections", "4", "--rounds", "1", "--duration", "200ms", "--out", dir}
	if status, stdout, stderr := call(t, args...); status != 0 || !strings.Contains(stdout, filepath.Join(dir, "report.html")) {
		t.Fatalf("status %d, %s\n%s", status, stdout, stderr)
	}
	file := filepath.Join(dir, "report.json")
	run, err := report.ReadFile(file)
	if err != nil || len(run.Measures) != 4 {
		t.Fatalf("%d measures, %v", len(run.Measures), err)
	}
	for _, again := range [][]string{{"report", file}, {"report", "--markdown", file}, {"compare", file, file}} {
		if status, stdout, stderr := call(t, again...); status != 0 || stdout == "" {
			t.Errorf("%v: status %d, %q, %q", again, status, stdout, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "report.csv")); err != nil {
		t.Error(err)
	}
	into(t, file)
}

// into puts the tables of a run into a document.
func into(t *testing.T, file string) {
	t.Helper()
	document := filepath.Join(t.TempDir(), "document.md")
	if err := os.WriteFile(document, []byte("# A\n<!-- host -->\n<!-- /host -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := call(t, "report", "--into", document, "--mark", "host", file); status != 0 {
		t.Fatalf("status %d, %s", status, stderr)
	}
	text, err := os.ReadFile(document)
	if err != nil || !strings.Contains(string(text), "| SUBJECT | OPS/S |") {
		t.Errorf("the document holds %s, %v", text, err)
	}
	if status, _, stderr := call(t, "report", "--into", document, "--mark", "guest", file); status != 1 || !strings.Contains(stderr, "<!-- guest -->") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

func TestCancelled(t *testing.T) {
	netlab.Test(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs strings.Builder
	args := []string{"shunt-bench", "run", "--scenario", "requests", "--subjects", "direct", "--out", t.TempDir()}
	if status := run(ctx, args, &out, &errs); status != 0 || !strings.Contains(out.String(), "ended before all was measured") {
		t.Errorf("status %d, %s\n%s", status, out.String(), errs.String())
	}
}
