package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// licenses is what the packages come with: the licences of all that is linked.
const licenses = "../../packaging/licenses.txt"

// licenceFile are the names of files that a module's terms stand in.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)(\.txt|\.md)?$`)

// TestLicenses: packaging/licenses.txt has the terms of Go and of each module that is
// linked into shunt, as it is linked. `make licenses` writes it anew.
func TestLicenses(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-tags", "urfave_cli_no_docs",
		"-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{"Go, its runtime and library": strings.TrimSpace(string(root))}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 {
			modules[f[0]+" "+f[1]] = f[2]
		}
	}
	names := map[string][]string{} // of modules, by their terms
	for name, dir := range modules {
		terms := termsIn(t, dir)
		if terms == "" {
			t.Errorf("%s has no licence", name)
		}
		names[terms] = append(names[terms], name)
	}
	var all []string
	for terms, of := range names {
		slices.Sort(of)
		all = append(all, strings.Join(of, "\n")+"\n\n"+terms)
	}
	slices.Sort(all)
	line := strings.Repeat("-", 78)
	text := fmt.Sprintf("shunt is under the Apache License, version 2.0. The program contains what follows,\nunder the terms that stand below each.\n\n%s\n%s", line, strings.Join(all, line+"\n"))
	if *update {
		write(t, licenses, text)
	}
	if was, err := os.ReadFile(licenses); err != nil || string(was) != text {
		t.Errorf("%s is not what is linked: run make licenses, and look at what is new: %v", licenses, err)
	}
}

// termsIn returns the files of a folder that say under which terms it may be used.
func termsIn(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		if !licenceFile.MatchString(e.Name()) || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")) + "\n\n")
	}
	return all.String()
}
