package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	childPause = 5 * time.Second  // before one that ended is started again
	childStop  = 15 * time.Second // for one to end when it is told to
)

// children are the shunts that the directive execute asks for, one for each
// other configuration.
type children struct {
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	running map[string]*os.Process
}

// startChildren starts another shunt for each execute of the configuration
// that the director has started with. What a reload adds is not started.
func (d *Daemon) startChildren(context.Context) error {
	c := &children{log: d.log, running: map[string]*os.Process{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	d.children = c
	d.onStop("execute", func(context.Context) error { c.stop(); return nil })
	for _, name := range d.execute {
		path, err := FindConfig(name)
		if err != nil {
			return fmt.Errorf("execute=%s: %w", name, err)
		}
		c.wg.Go(func() { c.keep(path, d.o) })
	}
	return nil
}

// keep runs one child until the end, again whenever it ends by itself.
func (c *children) keep(path string, o Options) {
	for c.ctx.Err() == nil {
		if err := c.run(path, o); err != nil && c.ctx.Err() == nil {
			c.log.Error("shunt for another configuration ended, it is started again", "config", path, "err", err)
		}
		select {
		case <-c.ctx.Done():
		case <-time.After(childPause):
		}
	}
}

func (c *children) run(path string, o Options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(c.ctx, self, "run", "--config", path, "--admin", "",
		"--dataplane", o.Dataplane, "--log-format", o.LogFormat, "--log-level", o.LogLevel.String())
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// What the environment says about this shunt is not meant for that one.
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "SHUNT_CONTROL=")
	// If this process is killed, the child goes too.
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = childStop
	if err := cmd.Start(); err != nil {
		return err
	}
	c.note(path, cmd.Process)
	defer c.note(path, nil)
	return cmd.Wait()
}

func (c *children) note(path string, p *os.Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p == nil {
		delete(c.running, path)
		return
	}
	c.running[path] = p
}

// reload passes a reload on.
func (c *children) reload() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, p := range c.running {
		if err := p.Signal(unix.SIGHUP); err != nil {
			c.log.Warn("shunt for another configuration cannot be told to reload", "config", path, "err", err)
		}
	}
}

// stop ends all children and waits for them.
func (c *children) stop() {
	c.cancel()
	c.wg.Wait()
}

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
