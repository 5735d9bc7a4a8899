package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/shunt-lb/shunt/bench/result"
)

// Write leaves report.json, report.csv and report.html in the directory dir,
// which it makes where there is none, and returns the paths of those it could
// write. A file of an earlier run is replaced only once the new one is whole.
func Write(dir string, run result.Run) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("directory of the report: %w", err)
	}
	var paths []string
	var errs []error
	for _, f := range []struct {
		name  string
		write func(io.Writer, result.Run) error
	}{{"report.json", JSON}, {"report.csv", CSV}, {"report.html", HTML}} {
		path := filepath.Join(dir, f.name)
		if err := replace(path, func(w io.Writer) error { return f.write(w, run) }); err != nil {
			errs = append(errs, fmt.Errorf("write %s: %w", path, err))
			continue
		}
		paths = append(paths, path)
	}
	return paths, errors.Join(errs...)
}

// InsertFile is Insert for the file at path.
func InsertFile(path, name string, run result.Run) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if document, err = Insert(document, name, run); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return replace(path, func(w io.Writer) error {
		_, err := w.Write(document)
		return err
	})
}

// replace makes path hold what write writes, or leaves it as it was.
func replace(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is left of that name after success
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ReadFile reads a run from the JSON file at path, as Read does.
func ReadFile(path string) (result.Run, error) {
	f, err := os.Open(path)
	if err != nil {
		return result.Run{}, err
	}
	defer f.Close()
	run, err := Read(f)
	if err != nil {
		return result.Run{}, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}
