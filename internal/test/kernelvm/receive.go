package kernelvm

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/internal/test/kernelvm/internal/guest"
)

// receive reads what a machine reported: it saves the files, each at the place
// on the host that its first path element, an index, stands for, and returns
// the exit status. A report that ends early is an error.
func receive(report string, files []File) (status int, err error) {
	f, err := os.Open(report)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	archive := tar.NewReader(f)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return 0, errors.New("its report ends early")
		}
		if err != nil {
			return 0, fmt.Errorf("its report: %w", err)
		}
		if h.Name == guest.ExitName {
			return exitStatus(archive)
		}
		if err := accept(h.Name, archive, files); err != nil {
			return 0, err
		}
	}
}

func exitStatus(r io.Reader) (int, error) {
	code, err := io.ReadAll(r)
	if err != nil {
		return 0, fmt.Errorf("its exit status: %w", err)
	}
	return strconv.Atoi(string(code))
}

// accept saves one file of a report.
func accept(name string, body io.Reader, files []File) error {
	first, rest, _ := strings.Cut(name, "/")
	i, err := strconv.Atoi(first)
	if err != nil || i < 0 || i >= len(files) {
		return fmt.Errorf("its report has a file %q nobody asked for", name)
	}
	target := files[i].Host
	if rest != "" {
		local, err := filepath.Localize(rest)
		if err != nil {
			return fmt.Errorf("its report has a file %q: %w", name, err)
		}
		target = filepath.Join(target, local)
	}
	return save(target, body)
}
