package director

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/files"
)

const (
	commandTimeout = time.Minute            // for one operator's command
	hookGrace      = 500 * time.Millisecond // for what was told to end
	hookQueue      = 1024                   // commands or lines that may wait for one target
	outputKept     = 4096                   // bytes of a failing command's output
)

// hooks run the operator's commands and write monitor files: one queue for
// each, so that the order of what concerns one thing is kept and a command or
// file system that hangs holds up nothing else.
type hooks struct {
	log *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	queues map[string][]func(context.Context) // a key is there while its goroutine runs
	// trouble is what was last said about a target that does not work.
	trouble map[string]string
}

// A command is a program of the operator's with its arguments.
type command struct{ argv []string }

func newHooks(log *slog.Logger) *hooks {
	h := &hooks{log: log, queues: map[string][]func(context.Context){}, trouble: map[string]string{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// close waits for what is queued until ctx is done, then ends it, and says how
// much came to nothing. A file system that hangs cannot be ended and is left
// behind.
func (h *hooks) close(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		h.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	h.cancel()
	if n := h.giveUp(); n > 0 {
		h.log.Warn("commands and lines of monitorfiles are given up, shunt stops", "count", n)
	}
	select {
	case <-done:
	case <-time.After(hookGrace):
		h.log.Warn("a command or a monitorfile hangs and is left behind")
	}
}

// giveUp drops what waits and returns how much that was.
func (h *hooks) giveUp() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, queue := range h.queues {
		n += len(queue)
		h.queues[key] = nil
	}
	return n
}

// fallbackCommand is how a service's fallbackcommand is called: through the
// shell, with the word, the service and its protocol.
func fallbackCommand(v *config.Virtual, word string) command {
	where := v.ID.Addr.String()
	if v.ID.Protocol == dataplane.FWMark {
		where = fmt.Sprintf("%d:0", v.ID.Mark)
	}
	line := strings.Join([]string{v.FallbackCommand, word, where, v.ID.Protocol.String()}, " ")
	return command{argv: []string{"/bin/sh", "-c", line}}
}

// run runs c after everything else that was given the same key.
func (h *hooks) run(key string, c command) {
	h.enqueue(key, func(ctx context.Context) { h.exec(ctx, key, c) })
}

// append adds a line to a file, after the lines before it.
func (h *hooks) append(path, line string) {
	h.enqueue("file "+path, func(context.Context) {
		err := files.Append(path, line, 0o644)
		switch {
		case err == nil && h.news(path, ""):
			h.log.Info("monitorfile can be written again", "file", path)
		case err != nil && h.news(path, err.Error()):
			h.log.Warn("monitorfile cannot be written", "err", err)
		}
	})
}

// news reports whether trouble is another than was last noted for a target,
// and notes it. No trouble is "".
func (h *hooks) news(target, trouble string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.trouble[target] == trouble {
		return false
	}
	h.trouble[target] = trouble
	return true
}

func (h *hooks) enqueue(key string, f func(context.Context)) {
	if h.queued(key, f) {
		return
	}
	if h.news(key, "crowded") {
		h.log.Warn("too much is waiting, more is dropped", "what", key)
	}
}

// queued reports whether there was room for f.
func (h *hooks) queued(key string, f func(context.Context)) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	queue, running := h.queues[key]
	if len(queue) >= hookQueue {
		return false
	}
	h.queues[key] = append(queue, f)
	if !running {
		h.wg.Go(func() { h.work(key) })
	}
	return true
}

// work runs what is queued for key until nothing is left.
func (h *hooks) work(key string) {
	for f := h.next(key); f != nil; f = h.next(key) {
		f(h.ctx)
	}
}

func (h *hooks) next(key string) func(context.Context) {
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

// exec runs one command to its end, or ends it and all its children when it
// takes too long.
func (h *hooks) exec(ctx context.Context, key string, c command) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out head
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	// What it has left in the background may hold its output; it is done itself.
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		h.log.Error("command failed", "what", key, "command", c.argv, "err", err, "output", string(out))
		return
	}
	h.log.Info("command run", "what", key, "command", c.argv)
}

// A head keeps the beginning of what is written to it.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), outputKept-len(*h))]...)
	return len(p), nil
}
