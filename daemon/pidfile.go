package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/shunt-lb/shunt/internal/files"
)

// writePID writes the pid file that the options ask for. It runs when the control
// sockets are open, so that no second shunt for one configuration gets here.
func (d *Daemon) writePID(context.Context) error {
	path := d.o.PIDFile
	if path == "" {
		return nil
	}
	own := strconv.Itoa(os.Getpid()) + "\n"
	_, err := files.Try(context.Background(), path, func() (struct{}, error) { return struct{}{}, replace(path, own) })
	if err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	d.onStop("pid file", 300*time.Millisecond, func(context.Context) error {
		if text, err := files.Read(path, 64); err != nil || string(text) != own {
			return nil // it is gone, or another's
		}
		return os.Remove(path)
	})
	return nil
}

// replace puts a file with that text in the place of path, which nobody sees half
// written.
func replace(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
