package programs_test

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
)

// python is Debian's, which has Debian's modules; another may come first in
// the PATH.
const python = "/usr/bin/python3"

// needModule gives up where Python lacks a module, as need does.
func needModule(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import "+name).CombinedOutput(); err != nil {
		need.Lacking(t, fmt.Errorf("python3-%s: %w\n%s", name, err, out))
	}
}
