package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FindConfig finds a configuration by its name, in the places and the order
// in which ldirectord looks: /etc/ha.d, /etc/ha.d/conf, the name as it is. The
// path it returns is absolute, because a working directory may change.
func FindConfig(name string) (string, error) {
	for _, path := range []string{filepath.Join("/etc/ha.d", name), filepath.Join("/etc/ha.d/conf", name), name} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return filepath.Abs(path)
		}
	}
	return "", notFound(name)
}

// notFound says why there is no configuration of that name.
func notFound(name string) error {
	_, err := os.Stat(name)
	switch {
	case err == nil:
		return fmt.Errorf("configuration %s: not a regular file", name)
	case filepath.IsAbs(name) || !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("configuration: %w", err)
	}
	return fmt.Errorf("configuration %s: not found in /etc/ha.d, /etc/ha.d/conf or the working directory", name)
}
