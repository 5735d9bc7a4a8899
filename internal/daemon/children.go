package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	childPause = 5 * time.Second        // before one that ended is started again
	childStop  = 500 * time.Millisecond // for one to end that is told to hurry
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

func newChildren(log *slog.Logger) *children {
	c := &children{log: log, running: map[string]*os.Process{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// startChildren starts another shunt for each execute of the configuration
// that the director has started with. What a reload adds is not started.
func (d *Daemon) startChildren(context.Context) error {
	c := d.children
	d.onStop("execute", time.Second, func(context.Context) error { c.cancel(); return nil })
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
	args := []string{
		"run", "--config", path, "--admin", "",
		"--dataplane", o.Dataplane, "--log-format", o.LogFormat, "--log-level", o.LogLevel.String(),
	}
	if o.Strict {
		args = append(args, "--strict")
	}
	if o.ControlGroup != "" {
		args = append(args, "--control-group", o.ControlGroup)
	}
	cmd := exec.CommandContext(c.ctx, self, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// What the environment says about this shunt is not meant for that one.
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "SHUNT_CONTROL=")
	// If this process is killed, the child goes too. The kernel watches the
	// thread that started it, which therefore has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A signal from the terminal is for this process, which passes it on: a
	// second one would have the child hurry.
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGTERM, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
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
func (c *children) reload() { c.signal(unix.SIGHUP) }

// signal sends s to all children.
func (c *children) signal(s os.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, p := range c.running {
		if err := p.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			c.log.Warn("shunt for another configuration cannot be told", "config", path, "signal", s.String(), "err", err)
		}
	}
}

// wait waits for children that were told to stop, for as long as their own stop
// takes. A done ctx has them hurry, as this shunt does.
func (c *children) wait(ctx context.Context) error {
	c.cancel()
	defer context.AfterFunc(ctx, c.hurry)()
	c.wg.Wait()
	return nil
}

// hurry has the children cut short what they wait for, and kills those that
// do not end.
func (c *children) hurry() {
	c.signal(unix.SIGTERM)
	time.AfterFunc(childStop, func() { c.signal(unix.SIGKILL) })
}
