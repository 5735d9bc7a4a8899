package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const examples = "../../examples"

// TestExamples: config check --strict has no error and no warning for any example,
// on the dataplanes that the README names for it.
func TestExamples(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(examples, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| \[([a-z-]+)\]\(([a-z-]+)/ldirectord\.cf\) \|.*\| ([a-zA-Z]+) \|$`).FindAllStringSubmatch(string(readme), -1)
	folders, err := filepath.Glob(filepath.Join(examples, "*", "ldirectord.cf"))
	if err != nil || len(folders) == 0 || len(rows) != len(folders) {
		t.Fatalf("%d folders, and %d rows in the README: %v", len(folders), len(rows), err)
	}
	on := map[string][]string{"IPVS": {"ipvs"}, "proxy": {"proxy"}, "any": {"ipvs", "proxy"}}
	for _, row := range rows {
		if row[1] != row[2] || on[row[3]] == nil {
			t.Errorf("the README's row %q", row[0])
		}
		for _, dataplane := range on[row[3]] {
			file := filepath.Join(examples, row[1], "ldirectord.cf")
			out, err := exec.Command(shuntBinary, "config", "check", "--strict", "--dataplane", dataplane, file).CombinedOutput()
			if err != nil || !strings.Contains(string(out), ", 0 warnings") {
				t.Errorf("%s on %s: %v\n%s", file, dataplane, err, out)
			}
		}
	}
}

// TestExampleCommands: the commands of shunt in scripts are real ones with real options.
func TestExampleCommands(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join(examples, "*", "*.sh"))
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	for _, script := range scripts {
		if out, err := exec.Command("sh", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		commands := regexp.MustCompile(`(?m)^shunt (.*)$`).FindAllStringSubmatch(string(text), -1)
		if len(commands) == 0 {
			t.Errorf("%s: no command of shunt", script)
		}
		for _, c := range commands {
			out, err := exec.Command(shuntBinary, append(strings.Fields(c[1]), "--help")...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "OPTIONS") {
				t.Errorf("%s: shunt %s: %v\n%s", script, c[1], err, out)
			}
		}
	}
}
