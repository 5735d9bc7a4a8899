package guest

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// report sends the files of the job and its exit status home. In the archive
// a file's name starts with its place in Return.
func (j Job) report(status int) error {
	port, err := open(Report, nil)
	if err != nil {
		return err
	}
	defer port.Close()
	if err := j.archive(port, status); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return drain(port)
}

func (j Job) archive(w io.Writer, status int) error {
	t := tar.NewWriter(w)
	for i, root := range j.Return {
		if err := addTree(t, strconv.Itoa(i), root); err != nil {
			return err
		}
	}
	code := strconv.Itoa(status)
	if err := add(t, ExitName, int64(len(code)), strings.NewReader(code)); err != nil {
		return err
	}
	return t.Close()
}

// addTree adds the regular files of root, which may be one itself, or missing.
func addTree(t *tar.Writer, name, root string) error {
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && file == root {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		return addFile(t, path.Join(name, rel), file)
	})
}

func addFile(t *tar.Writer, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return add(t, name, info.Size(), f)
}

func add(t *tar.Writer, name string, size int64, body io.Reader) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644}); err != nil {
		return err
	}
	_, err := io.Copy(t, body)
	return err
}
