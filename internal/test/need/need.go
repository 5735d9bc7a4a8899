// Package need says of a test what it needs of the machine. A test whose needs
// are not met is skipped, and fails with CI=true: where everything is tested
// nothing may be missing.
package need

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// Root runs a test only as root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Lacking(t, errors.New("this test needs root"))
	}
}

// Program returns the path of a program that a test runs.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Lacking(t, err)
	}
	return path
}

// Programs runs a test only where all of these are.
func Programs(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		Program(t, name)
	}
}

// Lacking ends a test that cannot run here, for the reason in err.
func Lacking(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}
