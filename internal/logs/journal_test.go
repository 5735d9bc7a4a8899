package logs_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/logs"
)

// journal returns a standard error as the service manager makes it, a socket that
// JOURNAL_STREAM names, and a function that returns what journald gets.
func journal(t *testing.T, named bool) (stderr *os.File, text func() string) {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	stderr, journald := os.NewFile(uintptr(ends[0]), "stderr"), os.NewFile(uintptr(ends[1]), "journald")
	t.Cleanup(func() { _ = stderr.Close(); _ = journald.Close() })
	var st unix.Stat_t
	if err := unix.Fstat(ends[0], &st); err != nil {
		t.Fatal(err)
	}
	if !named {
		st.Ino++ // that of somebody else
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	return stderr, func() string {
		_ = unix.Shutdown(ends[0], unix.SHUT_WR)
		b, err := io.ReadAll(journald)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// TestJournalPrefixes: journald gets the severity of each line in the form of
// sd-daemon(3) and no second time, in both formats; a standard error that is another one
// gets lines as ever.
func TestJournalPrefixes(t *testing.T) {
	say := func(log *slog.Logger) {
		log.Error("one")
		log.Warn("two")
		log.Info("three", "time", "noon")
		log.Debug("four")
	}
	want := map[string]string{
		"text": "<3>level=ERROR msg=one\n<4>level=WARN msg=two\n<6>level=INFO msg=three time=noon\n<7>level=DEBUG msg=four\n",
		"json": `<3>{"level":"ERROR","msg":"one"}` + "\n" + `<4>{"level":"WARN","msg":"two"}` + "\n" +
			`<6>{"level":"INFO","msg":"three","time":"noon"}` + "\n" + `<7>{"level":"DEBUG","msg":"four"}` + "\n",
	}
	for format, want := range want {
		t.Run(format, func(t *testing.T) {
			stderr, text := journal(t, true)
			s, _ := open(t, logs.Options{Format: format, Level: slog.LevelDebug}, logs.Settings{Stderr: stderr})
			say(s.Logger())
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if got := text(); got != want {
				t.Errorf("journald gets %q, want %q", got, want)
			}
		})
	}
	t.Run("another standard error", func(t *testing.T) {
		stderr, text := journal(t, false)
		s, _ := open(t, logs.Options{}, logs.Settings{Stderr: stderr})
		s.Logger().Error("one")
		if got := text(); !strings.HasPrefix(got, "time=") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("the log itself fails", func(t *testing.T) {
		stderr, text := journal(t, true)
		s, _ := open(t, logs.Options{Target: "/dev/full"}, logs.Settings{Stderr: stderr})
		s.Logger().Info("lost")
		if got := text(); got != "<3>shunt: log file /dev/full: no space left on device: lines are being lost\n" {
			t.Errorf("journald gets %q", got)
		}
	})
}

// TestLogBegins: whoever finds a log file sees which shunt has written it, and for which
// configuration, whatever the level; also in one that is made by a rotation.
func TestLogBegins(t *testing.T) {
	begin := []any{"version", "0.1.0", "config", "/etc/ha.d/ldirectord.cf"}
	for _, format := range []string{"text", "json"} {
		dir := t.TempDir()
		first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
		s, stderr := open(t, logs.Options{Format: format, Level: slog.LevelError, Begin: begin}, logs.Settings{})
		for _, step := range []struct {
			path string
			do   func() error
		}{
			{first, func() error { return s.Use(first) }},
			{second, func() error { return s.Use(second) }},
			{second, func() error { return os.Rename(second, second+".1") }},
			{second, func() error {
				if err := os.Rename(second, second+".2"); err != nil {
					return err
				}
				return s.Reopen()
			}},
		} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			s.Logger().Error("line")
			lines := strings.Split(strings.TrimSpace(read(t, step.path)), "\n")
			if len(lines) != 2 || !begins(format, lines[0]) || !strings.Contains(lines[1], "line") {
				t.Errorf("%s: %s has %q", format, step.path, lines)
			}
		}
		if got := stderr(); got != "" {
			t.Errorf("standard error: %q", got)
		}
	}
}

func begins(format, line string) bool {
	if format == "text" {
		return strings.HasPrefix(line, "time=") && strings.HasSuffix(line, `level=INFO msg="log begins" version=0.1.0 config=/etc/ha.d/ldirectord.cf`)
	}
	var r struct{ Msg, Version, Config string }
	err := json.Unmarshal([]byte(line), &r)
	return err == nil && r.Msg == "log begins" && r.Version == "0.1.0" && r.Config == "/etc/ha.d/ldirectord.cf"
}
