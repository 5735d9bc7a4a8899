package kernelvm

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// report writes a report with these names and bodies, in turn, to a file.
func report(t *testing.T, bytesKept int, pairs ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: pairs[i], Size: int64(len(pairs[i+1])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report")
	if err := os.WriteFile(file, b.Bytes()[:min(bytesKept, b.Len())], 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const whole = 1 << 20

func TestReceive(t *testing.T) {
	dir := t.TempDir()
	files := []File{{Host: filepath.Join(dir, "c.out")}, {Host: filepath.Join(dir, "cov")}}
	status, err := receive(report(t, whole, "0", "coverage", "1/a/b", "counters", "exit", "3"), files)
	if err != nil || status != 3 {
		t.Fatalf("status %d, %v", status, err)
	}
	for name, want := range map[string]string{"c.out": "coverage", "cov/a/b": "counters"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestReceiveRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		kept  int
		pairs []string
		want  string
	}{
		"nothing":           {0, nil, "ends early"},
		"no status":         {whole, []string{"0", "x"}, "ends early"},
		"half a header":     {100, []string{"exit", "0"}, "unexpected EOF"},
		"half a status":     {512, []string{"exit", "0"}, "unexpected EOF"},
		"no number":         {whole, []string{"exit", "fine"}, `"fine"`},
		"an index too high": {whole, []string{"1", "x", "exit", "0"}, `"1" nobody asked for`},
		"a negative index":  {whole, []string{"-1", "x", "exit", "0"}, `"-1" nobody asked for`},
		"a way out":         {whole, []string{"0/../../x", "x", "exit", "0"}, "invalid path"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			status, err := receive(report(t, test.kept, test.pairs...), []File{{Host: filepath.Join(dir, "a", "b")}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("status %d, error %v; want an error with %s", status, err, test.want)
			}
		})
	}
}
