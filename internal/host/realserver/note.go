package realserver

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Note is the path of a file with the values of settings before they were
// changed, one name=value a line. It belongs in a folder that a restart of the
// machine empties, because the settings are lost then, too.
type Note string

// read returns the noted values; without a file there are none.
func (n Note) read() (map[string]string, error) {
	before := map[string]string{}
	text, err := os.ReadFile(string(n))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what the settings were: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			before[name] = value
		}
	}
	return before, nil
}

// update changes the noted values.
func (n Note) update(change func(before map[string]string)) error {
	before, err := n.read()
	if err != nil {
		return err
	}
	change(before)
	return n.write(before)
}

// write replaces the noted values. It removes the file if there are none.
func (n Note) write(before map[string]string) error {
	if len(before) == 0 {
		if err := os.Remove(string(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget what the settings were: %w", err)
		}
		return nil
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(before)) {
		fmt.Fprintf(&text, "%s=%s\n", name, before[name])
	}
	err := os.MkdirAll(filepath.Dir(string(n)), 0o755)
	if err == nil {
		err = os.WriteFile(string(n), []byte(text.String()), 0o644)
	}
	if err != nil {
		return fmt.Errorf("note what the settings were: %w", err)
	}
	return nil
}
