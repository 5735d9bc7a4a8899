package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	childPause = 5 * time.Second        // before one that has ended is started again
	childStop  = 500 * time.Millisecond // until one that has to hurry is killed
)

// children are the processes of the directive execute, one shunt for each other
// configuration.
type children struct {
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	kept    map[string]context.CancelFunc // by name, as the file has it
	running map[string]*os.Process
}

func newChildren(log *slog.Logger) *children {
	c := &children{log: log, kept: map[string]context.CancelFunc{}, running: map[string]*os.Process{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// startChildren starts another shunt for each execute of the configuration
// that the director has started with.
func (d *Daemon) startChildren(context.Context) error {
	d.onStop("execute", time.Second, func(context.Context) error { d.children.cancel(); return nil })
	return d.children.set(d.execute, d.o)
}

// set starts and stops children until there is one for each of names. The error
// names the configurations that cannot be found.
func (c *children) set(names []string, o Options) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, stop := range c.kept {
		if !slices.Contains(names, name) {
			stop()
			delete(c.kept, name)
		}
	}
	var errs []error
	for _, name := range names {
		if c.kept[name] == nil && c.ctx.Err() == nil {
			errs = append(errs, c.begin(name, o))
		}
	}
	return errors.Join(errs...)
}

// begin starts the child of a name. The lock is held.
func (c *children) begin(name string, o Options) error {
	path, err := FindConfig(name)
	if err != nil {
		return fmt.Errorf("execute=%s: %w", name, err)
	}
	ctx, stop := context.WithCancel(c.ctx)
	c.kept[name] = stop
	c.wg.Go(func() { c.keep(ctx, path, o) })
	return nil
}

// keep runs one child until ctx is done, again whenever it ends by itself.
func (c *children) keep(ctx context.Context, path string, o Options) {
	for ctx.Err() == nil {
		if err := c.run(ctx, path, o); err != nil && ctx.Err() == nil {
			c.log.Error("shunt for another configuration ended, it is started again", "config", path, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(childPause):
		}
	}
}

func (c *children) run(ctx context.Context, path string, o Options) error {
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
	if o.State == "" {
		args = append(args, "--state", "")
	}
	if o.ControlGroup != "" {
		args = append(args, "--control-group", o.ControlGroup)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = "shunt" // whatever the name of this program is, it is run by these words
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// These variables are for this process only. Without that of the state file, which
	// has one configuration's orders, the child has one of its own.
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SHUNT_STATE=") })
	cmd.Env = append(own, "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "SHUNT_CONTROL=")
	// The kernel ends the child with the thread that has started it, if this
	// process is killed. So the thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A signal from the terminal is for this process, which passes it on: the
	// child would take it for a second one and hurry.
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGTERM, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return err
	}
	c.addProcess(path, cmd.Process)
	defer c.removeProcess(path, cmd.Process)
	return cmd.Wait()
}

func (c *children) addProcess(path string, p *os.Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[path] = p
}

// removeProcess removes a process that has ended; the next one may run already.
func (c *children) removeProcess(path string, p *os.Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[path] == p {
		delete(c.running, path)
	}
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

// wait stops all children and waits for them, as long as their stops take. Once ctx
// is done they hurry, as this process does.
func (c *children) wait(ctx context.Context) error {
	c.mu.Lock() // none is started any more
	c.cancel()
	c.mu.Unlock()
	defer context.AfterFunc(ctx, c.hurry)()
	c.wg.Wait()
	return nil
}

// hurry makes the children wait for nothing any more, and kills those that do not
// end.
func (c *children) hurry() {
	c.signal(unix.SIGTERM)
	time.AfterFunc(childStop, func() { c.signal(unix.SIGKILL) })
}
