package version

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

func TestCommit(t *testing.T) {
	const revision = "0123456789abcdef0123456789abcdef01234567"
	for _, tt := range []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"of a tarball", []debug.BuildSetting{{Key: "GOOS", Value: "linux"}}, "unknown"},
		{"of a clean tree", []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: "false"}}, "0123456789ab"},
		{"of a changed tree", []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: revision}}, "0123456789ab-dirty"},
		{"of another system", []debug.BuildSetting{{Key: "vcs.revision", Value: "77"}}, "77"},
	} {
		if got := commit(tt.settings); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A program that is built in a folder without git, as from a tarball, has a
// version and no commit; the Makefile finds the same version.
func TestTarball(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module github.com/shunt-lb/shunt\n\ngo 1.26\n",
		"main.go": "package main\n\nimport \"github.com/shunt-lb/shunt/internal/version\"\n\n" +
			"func main() { print(version.Text()) }\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	source, err := os.ReadFile("version.go")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "internal/version/version.go"), string(source))
	run := exec.Command("go", "run", ".")
	run.Dir = dir
	out, err := run.CombinedOutput()
	if got, want := string(out), Number+" (unknown)"; err != nil || got != want {
		t.Errorf("printed %q, %v, want %q", got, err, want)
	}
	makefile := exec.Command("make", "-s", "--eval", "print-version:\n\t@echo $(VERSION)", "print-version")
	makefile.Dir = "../.."
	out, err = makefile.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != Number {
		t.Errorf("the Makefile has the version %q, %v, want %q", got, err, Number)
	}
}

// Packages of Debian and of rpm order versions by their three numbers.
func TestNumber(t *testing.T) {
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(Number) {
		t.Errorf("version %q is not three numbers", Number)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
