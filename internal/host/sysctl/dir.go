package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Dir is a tree of settings such as System. Settings are named as sysctl(8)
// names them: net.ipv4.ip_forward; a dot within the name of a link is written
// as a slash, as Link does.
type Dir string

// System holds the settings of the kernel. Network settings are those of the
// network namespace of the calling thread.
const System Dir = "/proc/sys"

// Link returns the name of a setting of one link:
// net.ipv4.conf.eth0/100.rp_filter.
func Link(family, link, setting string) string {
	return "net." + family + ".conf." + strings.ReplaceAll(link, ".", "/") + "." + setting
}

// Get returns the value of a setting, without blanks around it. The error for a
// missing setting matches fs.ErrNotExist.
func (d Dir) Get(name string) (string, error) {
	text, err := os.ReadFile(d.path(name))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, reason(err))
	}
	return strings.TrimSpace(string(text)), nil
}

// Set writes a setting that exists.
func (d Dir) Set(name, value string) error {
	f, err := os.OpenFile(d.path(name), os.O_WRONLY|os.O_TRUNC, 0)
	if err == nil {
		_, err = f.WriteString(value + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("set %s to %s: %w", name, value, reason(err))
	}
	return nil
}

// path swaps dots and slashes, as sysctl(8) does.
func (d Dir) path(name string) string {
	swap := strings.NewReplacer(".", "/", "/", ".")
	return filepath.Join(string(d), swap.Replace(name))
}

// reason returns err without the path: the name of the setting is clearer.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// Command returns the line that sets a setting, to be typed by root.
func Command(name, value string) string { return "sysctl -w " + name + "=" + value }
