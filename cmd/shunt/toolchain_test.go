package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// On a machine without Go, or with an old one, make build builds all the same.
func TestMakeFetchesGo(t *testing.T) {
	realGo, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	source := copySource(t)
	for name, old := range map[string]string{
		"no Go":  "",
		"old Go": "#!/bin/sh\nif [ \"$1\" = version ]; then echo go version go1.19.8 linux/amd64; else exec " + realGo + " \"$@\"; fi\n",
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			make := exec.Command("make", "-C", source, "build")
			make.Env = append(withoutGo(t, home, old), "HOME="+home)
			out, err := make.CombinedOutput()
			if err != nil {
				t.Fatalf("make build: %v\n%s", err, out)
			}
			fetched := filepath.Join(home, ".cache/shunt")
			if !bytes.Contains(out, []byte(" comes to "+fetched)) {
				t.Errorf("make does not say that Go comes to %s:\n%s", fetched, out)
			}
			if left, _ := filepath.Glob(filepath.Join(fetched, "*")); len(left) != 1 {
				t.Errorf("%s has %q, want the fetched Go alone", fetched, left)
			}
			if out, err := exec.Command(filepath.Join(source, "bin/shunt"), "version").CombinedOutput(); err != nil {
				t.Errorf("shunt version: %v\n%s", err, out)
			}
		})
	}
}

// copySource copies the project as git sees it to a folder of its own.
func copySource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c",
		"git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "+dir)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// withoutGo is an environment whose PATH holds all that is in the system's
// folders but Go, and old, a script, in its place if it is not empty.
func withoutGo(t *testing.T, home, old string) []string {
	t.Helper()
	bin := filepath.Join(home, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/usr/sbin", "/usr/bin"} {
		programs, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range programs {
			if p.Name() != "go" && p.Name() != "gofmt" {
				_ = os.Symlink(filepath.Join(dir, p.Name()), filepath.Join(bin, p.Name())) // the first of a name counts
			}
		}
	}
	if old != "" {
		if err := os.WriteFile(filepath.Join(bin, "go"), []byte(old), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=" + bin}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB"} { // a cache saves time, no more
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}
