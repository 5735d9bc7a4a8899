package guest

import (
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// open opens a serial port: as a terminal of the given size, or else as a line
// that carries bytes as they are.
func open(name string, size *Size) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if size != nil {
		err = resize(f, *size)
	} else {
		err = raw(f)
	}
	if err != nil {
		return nil, fmt.Errorf("set up %s: %w", name, err)
	}
	return f, nil
}

// stdin returns what the command reads from: the port, as a terminal, or else
// nothing.
func (j Job) stdin(port *os.File) (*os.File, error) {
	if j.TTY == nil {
		return os.Open(os.DevNull)
	}
	if err := control(port); err != nil {
		return nil, fmt.Errorf("control %s: %w", port.Name(), err)
	}
	return os.OpenFile(port.Name(), os.O_RDWR|unix.O_NOCTTY, 0)
}

// control makes the terminal that of process 1, and of the command with it.
// Were it the command's, its end would hang the line up, and with that cut off
// what was written last.
func control(terminal *os.File) error {
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGHUP)
	if _, err := unix.Setsid(); err != nil {
		return err
	}
	return unix.IoctlSetInt(int(terminal.Fd()), unix.TIOCSCTTY, 0)
}

func resize(f *os.File, s Size) error {
	return unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: s.Rows, Col: s.Columns})
}

// raw switches all translation off: a terminal would add carriage returns.
func raw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}

// drain waits until all that was written has left the machine, which loses it
// else when it is switched off.
func drain(f *os.File) error {
	if err := unix.IoctlSetInt(int(f.Fd()), unix.TCSBRK, 1); err != nil {
		return fmt.Errorf("drain %s: %w", f.Name(), err)
	}
	return nil
}
