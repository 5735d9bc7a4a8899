// Package hooks runs the operator's commands and writes monitor files, beside the
// director.
package hooks

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/files"
)

const (
	commandTimeout = time.Minute            // for one operator's command
	killGrace      = 500 * time.Millisecond // for a command that was killed
	maxQueue       = 1024                   // commands or lines that may wait for one target
	outputKept     = 4096                   // bytes of a failing command's output
)

// Hooks are the operator's commands and monitor files. Each target has a queue of
// its own, which keeps its order, and a command or file system that hangs delays
// no other target. All methods may be called from any goroutine.
type Hooks struct {
	log *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	last   chan struct{} // closed when Close begins
	mu     sync.Mutex
	queues map[string][]func(context.Context) // a key is there while its goroutine runs
	// trouble is the latest logged reason why a target does not work.
	trouble map[string]string
}

// New returns Hooks with nothing to do.
func New(log *slog.Logger) *Hooks {
	h := &Hooks{log: log, queues: map[string][]func(context.Context){}, trouble: map[string]string{}, last: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Close waits for everything queued until ctx is done. Then it kills commands,
// drops the rest and logs how much that is. It does not wait for a file system
// that hangs.
func (h *Hooks) Close(ctx context.Context) {
	close(h.last)
	done := make(chan struct{})
	go func() {
		h.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	h.cancel()
	if n := h.drop(); n > 0 {
		h.log.Warn("commands and lines of monitorfiles are given up, shunt stops", "count", n)
	}
	select {
	case <-done:
	case <-time.After(killGrace):
		h.log.Warn("a command or a monitorfile hangs and is left behind")
	}
}

// Closing is closed when Close begins: nothing is worth a second attempt then.
func (h *Hooks) Closing() <-chan struct{} { return h.last }

// Wait waits until all queues are empty.
func (h *Hooks) Wait() { h.wg.Wait() }

// drop empties the queues and returns how much was in them.
func (h *Hooks) drop() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, queue := range h.queues {
		n += len(queue)
		h.queues[key] = nil
	}
	return n
}

// Run runs a command, a program with its arguments, after everything else with
// the same key. It does not wait.
func (h *Hooks) Run(key string, argv ...string) { h.RunWith(key, nil, argv...) }

// RunWith is Run with more variables in the environment of the command.
func (h *Hooks) RunWith(key string, env []string, argv ...string) {
	h.Enqueue(key, func(ctx context.Context) { h.exec(ctx, key, env, argv) })
}

// Append adds a line to a file, after the lines before it. It does not wait.
func (h *Hooks) Append(path, line string) {
	h.Enqueue("file "+path, func(context.Context) {
		err := files.Append(path, line, 0o644)
		switch {
		case err == nil && h.news(path, ""):
			h.log.Info("monitorfile can be written again", "file", path)
		case err != nil && h.news(path, err.Error()):
			h.log.Warn("monitorfile cannot be written", "err", err)
		}
	})
}

// news reports whether trouble differs from the latest trouble of a target, and
// notes it. No trouble is "".
func (h *Hooks) news(target, trouble string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.trouble[target] == trouble {
		return false
	}
	h.trouble[target] = trouble
	return true
}

// Enqueue runs f after everything else with the same key. If the queue is full, f
// is dropped. It does not wait.
func (h *Hooks) Enqueue(key string, f func(context.Context)) {
	if h.queued(key, f) {
		return
	}
	if h.news(key, "crowded") {
		h.log.Warn("too much is waiting, more is dropped", "what", key)
	}
}

// queued queues f and reports whether there was room.
func (h *Hooks) queued(key string, f func(context.Context)) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	queue, running := h.queues[key]
	if len(queue) >= maxQueue {
		return false
	}
	h.queues[key] = append(queue, f)
	if !running {
		h.wg.Go(func() { h.work(key) })
	}
	return true
}

// work runs the queue of key until it is empty.
func (h *Hooks) work(key string) {
	for f := h.next(key); f != nil; f = h.next(key) {
		f(h.ctx)
	}
}

func (h *Hooks) next(key string) func(context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	queue := h.queues[key]
	if len(queue) == 0 {
		delete(h.queues, key)
		delete(h.trouble, key)
		return nil
	}
	h.queues[key] = queue[1:]
	return queue[0]
}

// exec runs one command. It kills the command and its children when that takes
// too long.
func (h *Hooks) exec(ctx context.Context, key string, env, argv []string) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out head
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	// A program that it has left in the background may hold its output.
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		h.log.Error("command failed", "what", key, "command", argv, "err", err, "output", string(out))
		return
	}
	h.log.Info("command run", "what", key, "command", argv)
}

// A head keeps the beginning of what is written to it.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), outputKept-len(*h))]...)
	return len(p), nil
}
