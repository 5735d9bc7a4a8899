package programs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// racing says that the race detector watches.
var racing bool

// A file has content in which no two parts are the same.
type file struct {
	path, sum string
	size      int64
}

// much is the size of the largest file that goes through shunt.
func much() int64 {
	if testing.Short() || racing {
		return 64 << 20
	}
	return 1 << 30
}

// content writes a file.
func content(t *testing.T, dir, name string, size int64) file {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	must(t, err)
	defer f.Close()
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8([32]byte{byte(size)}), size)
	must(t, err)
	return file{path: f.Name(), sum: hex.EncodeToString(h.Sum(nil)), size: size}
}

// is wants the file at path to have the same content.
func (f file) is(t *testing.T, path string) {
	t.Helper()
	got, err := os.Open(path)
	must(t, err)
	defer got.Close()
	h := sha256.New()
	n, err := io.Copy(h, got)
	must(t, err)
	if sum := hex.EncodeToString(h.Sum(nil)); sum != f.sum {
		t.Errorf("%s has %d bytes with sum %s, want %d with %s", path, n, sum, f.size, f.sum)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}
