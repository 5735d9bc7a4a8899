package main

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/packages.txt anew")

// Every package from outside that is linked into the daemon is on a list, so
// that a new one shows in review.
func TestLinkedPackages(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-tags", "urfave_cli_no_docs",
		"-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var linked strings.Builder
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "github.com/shunt-lb/shunt") {
			linked.WriteString(line)
		}
	}
	const file = "testdata/packages.txt"
	if *update {
		write(t, file, linked.String())
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), linked.String()); diff != "" {
		t.Errorf("linked packages differ from %s; run go test ./cmd/shunt -run LinkedPackages -update if that is meant:\n%s", file, diff)
	}
}
