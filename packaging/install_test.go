//go:build packages

package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/process"
)

// TestInstall: make install goes where PREFIX says, changes no file of the
// operator's, and make uninstall removes what it put there.
func TestInstall(t *testing.T) {
	root := t.TempDir()
	setting := filepath.Join(root, "etc/default/shunt")
	install := func(goal string) {
		makes(t, goal, "DESTDIR="+root, "PREFIX=/opt/lb")
	}
	install("install")
	for _, path := range []string{"opt/lb/sbin/shunt", "opt/lb/share/man/man5/ldirectord.cf.5", "opt/lb/lib/sysusers.d/shunt.conf", "etc/logrotate.d/shunt", "opt/lb/share/bash-completion/completions/shunt", "opt/lb/share/doc/shunt/examples/dr/ldirectord.cf"} {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		}
	}
	unit := read(t, filepath.Join(root, "opt/lb/lib/systemd/system/shunt.service"))
	if !strings.Contains(unit, "\nExecStart=/opt/lb/sbin/shunt run\n") || strings.Contains(unit, "@SBINDIR@") {
		t.Errorf("the unit has other paths than PREFIX:\n%s", unit)
	}
	write(t, setting, "SHUNT_ADMIN=\n")
	install("install")
	install("uninstall")
	var left []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, path)
		}
		return err
	})
	if err != nil || len(left) != 1 || read(t, setting) != "SHUNT_ADMIN=\n" {
		t.Errorf("uninstall leaves %q, %v, want %s as it was changed", left, err, setting)
	}
}

// TestUnitSecurity: systemd rates the exposure of the unit below 3.0.
func TestUnitSecurity(t *testing.T) {
	root := t.TempDir()
	makes(t, "install", "DESTDIR="+root, "PREFIX=/usr")
	process.Run(t, "systemd-analyze", "security", "--offline=yes", "--threshold=30", filepath.Join(root, "usr/lib/systemd/system/shunt.service"))
}

// TestTemplate: the template of ldirectord.cf is good as it stands, and with each
// of its examples.
func TestTemplate(t *testing.T) {
	makes(t, "unit")
	const template = "ldirectord.cf.template"
	process.Run(t, "../bin/shunt", "config", "check", "--dataplane=proxy", template)
	all := filepath.Join(t.TempDir(), "all.cf")
	write(t, all, regexp.MustCompile(`(?m)^(\t?)#([a-z\t])`).ReplaceAllString(read(t, template), "$1$2"))
	if out := process.Run(t, "../bin/shunt", "config", "check", "--dataplane=proxy", all); !strings.Contains(out, "good: 2 virtual services, 0 warnings") {
		t.Error(out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
