package report

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/result"
)

// Options say where text is going to be read.
type Options struct {
	Color bool // mark what matters with ANSI colours
	Width int  // of the terminal in columns; 0 is no limit
}

// Terminal returns the options that fit f: the width of the terminal, in colour
// unless NO_COLOR is set; neither where f is no terminal.
func Terminal(f *os.File) Options {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return Options{}
	}
	return Options{Color: os.Getenv("NO_COLOR") == "", Width: int(size.Col)}
}

// Print writes run as tables for people. The error is w's.
func Print(w io.Writer, run result.Run, o Options) error {
	return nil
}
