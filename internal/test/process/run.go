package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/wait"
)

// Run runs a program to its end, which has to be success, and returns what it
// has printed on standard output.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return Feed(t, "", name, args...)
}

// RunAs is Run as a user, if that is not empty and the test is root's.
func RunAs(t testing.TB, user, name string, args ...string) string {
	t.Helper()
	var out strings.Builder
	must(t, pass(t, user, strings.NewReader(""), &out, name, args...))
	return out.String()
}

// Feed is Run with something to read on standard input.
func Feed(t testing.TB, stdin, name string, args ...string) string {
	t.Helper()
	var out strings.Builder
	must(t, Pass(t, strings.NewReader(stdin), &out, name, args...))
	return out.String()
}

// Pass runs a program to its end. Other goroutines than the test's may call it.
func Pass(t testing.TB, stdin io.Reader, stdout io.Writer, name string, args ...string) error {
	return pass(t, "", stdin, stdout, name, args...)
}

func pass(t testing.TB, user string, stdin io.Reader, stdout io.Writer, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(t.Context(), 3*wait.Patience)
	defer cancel()
	cmd := command(user, name, args...)
	if user != "" {
		cmd.Dir = "/" // one that everybody may enter
	}
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &complaint
	err := cmd.Start()
	if err == nil {
		defer context.AfterFunc(ctx, func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })()
		err = cmd.Wait()
	}
	if err == nil {
		return nil
	}
	shown := ""
	if b, ok := stdout.(fmt.Stringer); ok {
		shown = Tail(b.String())
	}
	return fmt.Errorf("%s: %w\n%s%s", cmd, err, shown, Tail(complaint.String()))
}

// Tail is the end of a text that may be long.
func Tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "... " + text[len(text)-most:]
	}
	return text
}
