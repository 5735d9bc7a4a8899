package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/config"
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

// limited changes what the options limit in a configuration that has just been
// parsed, and returns a warning where that is less than the file says.
func (d *Daemon) limited(conf *config.Config) (ps config.Problems) {
	if conf.Global.LogFile == "" {
		conf.Global.LogFile = d.o.LogFile
	}
	var names []string
	var pos config.Pos
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if d.o.DrainLimit <= 0 || v.DrainTimeout <= d.o.DrainLimit {
			continue
		}
		v.DrainTimeout = d.o.DrainLimit
		if v.CleanStop {
			continue // it waits for nothing
		}
		if len(names) == 0 {
			pos = v.Pos
		}
		names = append(names, v.ID.String())
	}
	if len(names) == 0 {
		return nil
	}
	if len(names) > 3 {
		names = append(names[:3], fmt.Sprintf("%d more", len(names)-3))
	}
	return config.Problems{{
		Pos:  pos,
		Text: fmt.Sprintf("a stop waits %v for connections and not as long as `draintimeout` says: who stops it expects an end by then; it is so for %s", d.o.DrainLimit, strings.Join(names, ", ")),
		Hint: fmt.Sprintf("write draintimeout=%d", int(d.o.DrainLimit/time.Second)),
	}}
}
