package logs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A console is standard error. It may be a pipe that nobody reads, and its
// description may be shared with other programs, so that it can be neither
// written to blindly nor made non-blocking.
type console struct {
	mu      sync.Mutex
	f       *os.File
	patient time.Duration
	journal bool // it leads to journald
}

// isJournal reports whether f leads to journald, by the variable JOURNAL_STREAM of
// systemd.exec(5): device and inode of the socket that it has made. Children of a
// service inherit the variable, and may have another standard error.
func isJournal(f *os.File, stream string) bool {
	var st unix.Stat_t
	if stream == "" || unix.Fstat(int(f.Fd()), &st) != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// forJournal returns a line as journald takes it, see sd-daemon(3): its severity in
// front, and no time, which journald keeps by itself.
func forJournal(level slog.Level, line []byte) []byte {
	begin, rest := "", line
	if text, ok := bytes.CutPrefix(line, []byte("time=")); ok {
		_, rest, _ = bytes.Cut(text, []byte(" "))
	} else if text, ok := bytes.CutPrefix(line, []byte(`{"time":`)); ok {
		begin = "{"
		_, rest, _ = bytes.Cut(text, []byte(","))
	}
	return fmt.Appendf(nil, "<%d>%s%s", severity(level), begin, rest)
}

// write writes a line, in pieces that fit once there is room for anything.
func (c *console) write(level slog.Level, line []byte) error {
	if c.journal {
		line = forJournal(level, line)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	deadline := time.Now().Add(c.patient)
	for len(line) > 0 {
		if err := c.room(time.Until(deadline)); err != nil {
			return err
		}
		n, err := c.f.Write(line[:min(len(line), 4096)]) // PIPE_BUF
		if err != nil {
			return err
		}
		line = line[n:]
	}
	return nil
}

// room waits until something can be written.
func (c *console) room(wait time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(c.f.Fd()), Events: unix.POLLOUT}}
	for end := time.Now().Add(wait); ; {
		n, err := unix.Poll(fds, int(max(time.Until(end), 0).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil && n == 0:
			return fmt.Errorf("nobody has read from it for %v: %w", c.patient, os.ErrDeadlineExceeded)
		case fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
			return unix.EPIPE // writing would end the program with SIGPIPE
		}
		return err
	}
}

func (c *console) reopen() error  { return nil }
func (c *console) close() error   { return nil }
func (c *console) String() string { return "on standard error" }
