package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/internal/files"
)

// searched are the folders in which ldirectord looks for a configuration with a
// bare name before it looks in the working directory.
var searched = []string{"/etc/ha.d", "/etc/ha.d/conf"}

// ConfigPaths returns the absolute paths that the name of a configuration may
// mean, in the order in which they are looked at: the path itself if the name
// has a slash, and otherwise what ldirectord tries, /etc/ha.d, /etc/ha.d/conf
// and the working directory.
func ConfigPaths(name string) ([]string, error) {
	own, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", name, err)
	}
	var paths []string
	if !strings.Contains(name, "/") {
		for _, dir := range searched {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return append(paths, own), nil
}

// FindConfig returns the first of the paths that a configuration's name may
// mean at which there is a file; see [ConfigPaths].
func FindConfig(name string) (string, error) {
	paths, err := ConfigPaths(name)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(paths, isFile); i >= 0 {
		return paths[i], nil
	}
	return "", notFound(name)
}

// PassedOver returns the file in the working directory with the name of a
// configuration, if the one at path was found before it; else "". An operator who
// types a bare name may have meant it.
func PassedOver(name, path string) string {
	own, err := filepath.Abs(name)
	if err != nil || own == path || !isFile(own) {
		return ""
	}
	return own
}

func isFile(path string) bool {
	info, err := files.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// notFound returns why there is no configuration of that name.
func notFound(name string) error {
	_, err := files.Stat(name)
	switch {
	case err == nil:
		return fmt.Errorf("configuration %s: not a regular file", name)
	case strings.Contains(name, "/") || !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("configuration: %w", err)
	}
	return fmt.Errorf("configuration %s: not found in %s or the working directory", name, strings.Join(searched, ", "))
}
