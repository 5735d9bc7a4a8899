package programs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/leak"
)

// shunt is the program under test, built as `make` builds it.
var shunt string

func TestMain(m *testing.M) { os.Exit(tests(m)) }

func tests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "shunt-programs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Servers are where a user's PATH does not always lead.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
	shunt = filepath.Join(dir, "shunt")
	cmd := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-o", shunt, "github.com/shunt-lb/shunt/cmd/shunt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build shunt: %v\n%s", err, out)
		return 1
	}
	return leak.Run(m)
}
