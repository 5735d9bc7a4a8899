package kernelvm

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// cacheDir returns a folder of that name for what can be fetched again. It is
// below the user's cache folder and need not exist.
func cacheDir(name string) (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "shunt", name), err
}

// newest returns the file made last of those that pattern matches, or nothing.
func newest(pattern string) (file string, err error) {
	files, err := filepath.Glob(pattern)
	var latest time.Time
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return "", err
		}
		if info.ModTime().After(latest) {
			file, latest = f, info.ModTime()
		}
	}
	return file, err
}

// install makes dir in one step, for others may be about it at the same time:
// fill fills an empty folder, which becomes dir then.
func install(dir string, fill func(tmp string) error) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := errors.Join(os.Chmod(tmp, 0o755), fill(tmp)); err != nil {
		return err
	}
	err = os.Rename(tmp, dir)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

func save(file string, body io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}
