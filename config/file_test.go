package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// A file without end is read as far as it takes to see that it is none, and
// what is no file is not read at all.
func TestEndlessFile(t *testing.T) {
	huge := filepath.Join(t.TempDir(), "huge.cf")
	if err := errors.Join(os.WriteFile(huge, nil, 0o600), os.Truncate(huge, 1<<34)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{huge: "larger than 16 MiB", "/dev/zero": "not a regular file"} {
		if _, err := config.Load(t.Context(), path, config.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}
