package subject_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) {
	lab.Main()
	leak.Main(m)
}

// program builds shunt and returns its path.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shunt")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "urfave_cli_no_docs", "-o", path, "../../cmd/shunt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build shunt: %v\n%s", err, out)
	}
	return path
}
