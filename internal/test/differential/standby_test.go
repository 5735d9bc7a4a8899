//go:build kernel

package differential

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// standby is a module of Perl by which a program waits, compiled, until it is to
// start: for every line of its input a child goes on from there, in the
// namespace, with the log and with the argument that the line names. Perl takes
// most of the time of a start for compiling, and here it does so once.
const standby = `package Standby;
use strict;
use POSIX ();
use LWP::Protocol::http; # which LWP would look for at the first request

INIT {
	$| = 1;
	$SIG{CHLD} = 'IGNORE'; # the kernel buries children
	print "ready\n";
	while (1) {
		my $line = <STDIN>;
		POSIX::_exit(0) unless defined $line;
		chomp $line;
		my ($namespace, $log, @arguments) = split /\t/, $line;
		my $child = fork;
		die "fork: $!\n" unless defined $child;
		if ($child) {
			print "$child\n";
			next;
		}
		$SIG{CHLD} = 'DEFAULT';
		open my $net, '<', $namespace or die "$namespace: $!\n";
		syscall(SETNS, fileno $net, 0) == 0 or die "$namespace: $!\n";
		close $net;
		open STDIN, '<', '/dev/null' or die "/dev/null: $!\n";
		open STDOUT, '>>', $log or die "$log: $!\n";
		open STDERR, '>&', \*STDOUT or die "$log: $!\n";
		@ARGV = @arguments;
		last;
	}
}
1;
`

// A launcher is Debian's ldirectord on standby: the file as it is, in one
// process of Perl, of which every start is a child.
type launcher struct {
	in      io.Writer
	answers *bufio.Reader
}

// A child is a process that a launcher has started.
type child struct {
	pid  int
	done chan struct{}
}

func (c *child) Pid() int              { return c.pid }
func (c *child) Done() <-chan struct{} { return c.done }

// newLauncher starts Perl and waits until it has compiled ldirectord.
func newLauncher(t *testing.T) *launcher {
	t.Helper()
	folder := t.TempDir()
	module := strings.ReplaceAll(standby, "SETNS", strconv.Itoa(unix.SYS_SETNS))
	if err := os.WriteFile(filepath.Join(folder, "Standby.pm"), []byte(module), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("perl", "-I", folder, "-MStandby", ldirectordPath)
	// Without PERLIO it starts itself once more, to set that.
	// Without PERLIO ldirectord starts itself once more, to set that.
	// Of a heap in huge pages a fork copies little, and ldirectord forks three
	// times for every change of a table.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PERLIO=perlio",
		"GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.top_pad=67108864")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	l := &launcher{in: in, answers: bufio.NewReader(out)}
	if answer := l.answer(t); answer != "ready" {
		t.Fatalf("perl says %q", answer)
	}
	return l
}

func (l *launcher) answer(t *testing.T) string {
	t.Helper()
	line, err := l.answers.ReadString('\n')
	if err != nil {
		t.Fatalf("perl: %v", err)
	}
	return strings.TrimSpace(line)
}

// start has ldirectord start in a namespace, and end with the test.
func (l *launcher) start(t *testing.T, in *netlab.Namespace, log string, args ...string) *child {
	t.Helper()
	if _, err := fmt.Fprintln(l.in, strings.Join(append([]string{in.Path(), log}, args...), "\t")); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(l.answer(t))
	if err != nil {
		t.Fatalf("perl says no process: %v", err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("ldirectord, process %d: %v", pid, err)
	}
	c := &child{pid: pid, done: make(chan struct{})}
	go c.wait(fd)
	t.Cleanup(func() {
		// An error says that it has ended already.
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		<-c.done
		_ = unix.Close(fd)
	})
	return c
}

// wait waits until the process of a pidfd has ended.
func (c *child) wait(fd int) {
	defer close(c.done)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if n == 1 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
