package logs_test

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/logs"
)

// daemon listens like a syslog daemon does.
func daemon(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	_ = os.Remove(path) // left by the one before
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(generous)); err != nil {
		t.Fatal(err)
	}
	return c
}

func receive(t *testing.T, c net.Conn) string {
	t.Helper()
	b := make([]byte, 64<<10)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// socket is a path short enough for a socket.
func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "log")
}

func TestSyslog(t *testing.T) {
	path := socket(t)
	d := daemon(t, path)
	s, text := open(t, logs.Options{Target: "local3", Level: slog.LevelDebug}, logs.Settings{Sockets: []string{path + ".missing", path}})
	for level, severity := range map[slog.Level]int{
		slog.LevelDebug: 7, slog.LevelInfo: 6, slog.LevelWarn: 4, slog.LevelError: 3, slog.LevelError + 4: 3, slog.LevelInfo + 1: 6,
	} {
		s.Logger().Log(t.Context(), level, "real server up", "real", "a")
		got := receive(t, d)
		want := regexp.MustCompile(fmt.Sprintf(
			`^<%d>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d shunt\[%d\]: time=\S+ level=\S+ msg="real server up" real=a$`, 19<<3|severity, os.Getpid()))
		if !want.MatchString(got) {
			t.Errorf("%v: %q does not match %v", level, got, want)
		}
	}
	s.Logger().Info("long", "x", strings.Repeat("x", 100<<10))
	if got := len(receive(t, d)); got < 3<<10 || got > 4<<10 {
		t.Errorf("%d bytes of a long line", got)
	}
	for name, code := range map[string]int{"kern": 0, "user": 1, "daemon": 3, "authpriv": 10, "ftp": 11, "LOCAL7": 23} {
		if err := s.Use(name); err != nil {
			t.Fatal(err)
		}
		s.Logger().Info("x")
		if got := receive(t, d); !strings.HasPrefix(got, fmt.Sprintf("<%d>", code<<3|6)) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := text(); got != "" {
		t.Errorf("standard error: %q", got)
	}
}

func TestSyslogStream(t *testing.T) {
	path := socket(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, _ := open(t, logs.Options{Target: "user"}, logs.Settings{Sockets: []string{path}})
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.Logger().Info("one")
	s.Logger().Info("two")
	in := bufio.NewReader(c)
	for _, want := range []string{"msg=one\n", "msg=two\n"} {
		if got, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(got, "<14>") || !strings.HasSuffix(got, want) {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// No daemon, then one, then none, then another: lines go to standard error
// meanwhile, and each change is said once.
func TestSyslogComesAndGoes(t *testing.T) {
	path := socket(t)
	s, text := open(t, logs.Options{Target: "daemon"}, logs.Settings{Sockets: []string{path}})
	s.Logger().Info("one")
	s.Logger().Info("two")
	const notice = ": writing to standard error until there is one\n"
	if got := text(); strings.Count(got, notice) != 1 || !strings.Contains(got, "msg=one\n") || !strings.Contains(got, "msg=two\n") {
		t.Errorf("standard error: %q", got)
	}
	d := daemon(t, path)
	s.Logger().Info("three")
	if got := receive(t, d); !strings.HasSuffix(got, "msg=three") {
		t.Errorf("daemon got %q", got)
	}
	_ = d.Close()
	s.Logger().Info("four")
	s.Logger().Info("five")
	if got := text(); strings.Count(got, notice) != 2 || !strings.Contains(got, "msg=four\n") || !strings.Contains(got, "msg=five\n") {
		t.Errorf("standard error: %q", got)
	}
	d = daemon(t, path)
	s.Logger().Info("six")
	if got := receive(t, d); !strings.HasSuffix(got, "msg=six") {
		t.Errorf("daemon got %q", got)
	}
	_ = d.Close()
	d = daemon(t, path) // restarted between two lines
	s.Logger().Info("seven")
	if got := receive(t, d); !strings.HasSuffix(got, "msg=seven") {
		t.Errorf("daemon got %q", got)
	}
	if got := text(); strings.Count(got, notice) != 2 || strings.Contains(got, "seven") {
		t.Errorf("standard error: %q", got)
	}
	if got := s.Dropped(); got != 0 {
		t.Errorf("%d lines dropped", got)
	}
}

// fill sends a daemon all that it takes without reading.
func fill(t *testing.T, path string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	for err == nil {
		err = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: path})
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Fatal(err)
	}
}

// A daemon that reads nothing holds nobody up.
func TestSyslogHangs(t *testing.T) {
	path := socket(t)
	daemon(t, path)
	fill(t, path) // or a write that comes too late is lost alone, and the next one is not
	s, text := open(t, logs.Options{Target: "daemon"}, logs.Settings{
		Sockets: []string{path}, Patient: time.Millisecond, Write: time.Millisecond,
	})
	for end := time.Now().Add(generous); s.Dropped() < 3 && time.Now().Before(end); {
		s.Logger().Info("line", "filler", strings.Repeat("x", 4000))
	}
	if s.Dropped() < 3 {
		t.Fatal("nothing was dropped")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := text(); strings.Count(got, "lines are being lost") != 1 {
		t.Errorf("standard error: %q", got)
	}
}
