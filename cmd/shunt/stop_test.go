package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

const (
	// goesAt is a generous second: less than what mails and commands get at a
	// stop, so that whoever puts them first is found out.
	goesAt = 3500 * time.Millisecond
	// endsBy is a generous ten seconds.
	endsBy = 25 * time.Second
)

// A stopFixture is a shunt in a network of its own, whose services have addresses on
// a link and rules.
type stopFixture struct {
	t       *testing.T
	name    string
	in      *netlab.Namespace
	dir     string
	file    string
	relay   string // takes connections and says nothing
	cmd     *exec.Cmd
	exited  chan struct{}
	started time.Time
}

const staged = `checkinterval = 1
interface = eth0
%s
virtual = 10.9.0.100:80
	real = 127.0.0.1:8081 masq
	checktype = connect
	fallback = sorry
virtual = 10.9.0.101:80
	real = 10.9.0.2:80 masq
	checktype = on
	transparent = yes
`

// newStopFixture writes a configuration and starts nothing yet.
func newStopFixture(t *testing.T, name string) *stopFixture {
	t.Helper()
	lab := netlab.Test(t)
	s := &stopFixture{t: t, name: name, dir: t.TempDir()}
	var other *netlab.Namespace
	for _, n := range []**netlab.Namespace{&s.in, &other} {
		var err error
		if *n, err = lab.Namespace("director"); err != nil {
			t.Fatal(err)
		}
	}
	if err := lab.Connect(
		netlab.End{In: s.in, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}},
		netlab.End{In: other, Link: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24")}},
	); err != nil {
		t.Fatal(err)
	}
	s.serve("127.0.0.1:8081", func(c net.Conn) { _, _ = io.Copy(c, c) })
	s.relay = s.serve("127.0.0.1:2525", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	s.file = filepath.Join(s.dir, "conf", "test.cf")
	if err := os.Mkdir(filepath.Dir(s.file), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// serve answers on addr until the test ends.
func (s *stopFixture) serve(addr string, answer func(net.Conn)) string {
	s.t.Helper()
	ln, err := s.in.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { answer(c); c.Close() })
		}
	})
	s.t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return addr
}

// configure writes what is in force with more lines: global ones, and sections.
func (s *stopFixture) configure(global, sections string) {
	s.t.Helper()
	put := strings.NewReplacer("%DIR%", s.dir, "%RELAY%", s.relay)
	write(s.t, s.file, put.Replace(fmt.Sprintf(staged, global)+sections))
}

// script makes a program of the operator's that does not end by itself.
func (s *stopFixture) script() {
	s.t.Helper()
	path := filepath.Join(s.dir, "hang.sh")
	write(s.t, path, "#!/bin/sh\ntrap '' TERM INT HUP\ntouch "+s.dir+"/runs\nsleep 1000\n")
	if err := os.Chmod(path, 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// runs waits until the script has been started.
func (s *stopFixture) runs() {
	s.t.Helper()
	wait.Until(s.t, "the script runs", func() bool { _, err := os.Stat(filepath.Join(s.dir, "runs")); return err == nil })
}

// start runs shunt; what it says goes where stderr says.
func (s *stopFixture) start(stderr *os.File, args ...string) {
	s.t.Helper()
	args = append([]string{"run", "--config", s.file, "--admin", "127.0.0.1:9910", "--control", filepath.Join(s.dir, "c.sock")}, args...)
	s.cmd = exec.CommandContext(context.Background(), shuntBinary, args...)
	s.cmd.Stderr = stderr
	s.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := s.in.Do(s.cmd.Start); err != nil {
		s.t.Fatal(err)
	}
	cmd, exited := s.cmd, make(chan struct{})
	s.exited = exited
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	s.t.Cleanup(func() {
		killGroup(cmd)
		<-exited
	})
}

// ready waits until the addresses and the rule are there.
func (s *stopFixture) ready() {
	s.t.Helper()
	wait.Until(s.t, s.name+": addresses and rules", func() bool { return s.left() == "10.9.0.100 10.9.0.101 rule" })
}

// left is what shunt has on the host.
func (s *stopFixture) left() string {
	s.t.Helper()
	var found []string
	err := s.in.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		addrs, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if ones, _ := a.Mask.Size(); ones == 32 {
				found = append(found, a.IP.String())
			}
		}
		rules, err := netlink.RuleList(netlink.FAMILY_V4)
		for _, r := range rules {
			if r.Priority == 5300 {
				found = append(found, "rule")
			}
		}
		return err
	})
	if err != nil {
		s.t.Errorf("%s: %v", s.name, err)
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

// term tells shunt to stop.
func (s *stopFixture) term() {
	s.t.Helper()
	s.started = time.Now()
	if err := s.cmd.Process.Signal(unix.SIGTERM); err != nil {
		s.t.Errorf("%s: %v", s.name, err)
	}
}

// gone waits until there is only so much left on the host, in time.
func (s *stopFixture) gone(want string, limit time.Duration) {
	s.t.Helper()
	for s.left() != want {
		if took := time.Since(s.started); took > limit {
			s.t.Errorf("%s: %v after the signal the host still has %q, want %q", s.name, took, s.left(), want)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Logf("%s: the host has %q %v after the signal", s.name, want, time.Since(s.started).Round(time.Millisecond))
}

// over waits until the process has ended, in time.
func (s *stopFixture) over(limit time.Duration) {
	s.t.Helper()
	select {
	case <-s.exited:
		s.t.Logf("%s: ended %v after the signal", s.name, time.Since(s.started).Round(time.Millisecond))
	case <-time.After(time.Until(s.started.Add(limit))):
		s.t.Errorf("%s: still there %v after the signal", s.name, limit)
		killGroup(s.cmd)
	}
}

// deadMount makes a folder a mount that answers nothing: whoever opens a file
// there waits until the test ends.
func (s *stopFixture) deadMount(dir string) {
	s.t.Helper()
	_ = os.MkdirAll(dir, 0o755)
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Mount("dead", dir, "fuse", 0, "fd="+strconv.Itoa(fd)+",rootmode=40000,user_id=0,group_id=0,allow_other")
	}
	if err != nil {
		need.Lacking(s.t, fmt.Errorf("a mount that hangs needs FUSE: %w", err))
	}
	s.t.Cleanup(func() {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
		_ = unix.Close(fd)
	})
}

// full returns the end to write to of a pipe that nobody reads and that is full.
func (s *stopFixture) full() *os.File {
	s.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Close(); w.Close() })
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		s.t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 4096)); err != nil {
		s.t.Fatal(err)
	}
	return w
}

// dial opens a connection that says half a sentence and stays.
func (s *stopFixture) dial(network, addr, text string) net.Conn {
	s.t.Helper()
	var c net.Conn
	wait.Until(s.t, "connect to "+addr, func() (ok bool) {
		_ = s.in.Do(func() (err error) {
			c, err = net.Dial(network, addr)
			ok = err == nil
			return nil
		})
		return ok
	})
	s.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// A hang is something that hangs while shunt is told to stop.
type hang struct {
	name             string
	global, sections string
	before           func(*stopFixture)
	stderr           func(*stopFixture) *os.File
	after            func(*stopFixture)
}

const down = "virtual = 10.9.0.100:90\n\treal = 127.0.0.1:1 masq\n\tchecktype = connect\n"

var hangs = []hang{
	{name: "nothing"},
	{name: "silent relay", global: "emailalert = a@b.example\nsmtp = %RELAY%", sections: many()},
	{name: "refusing relay", global: "emailalert = a@b.example\nsmtp = 127.0.0.1:2", sections: many()},
	{name: "fallbackcommand", sections: down + "\tfallbackcommand = \"%DIR%/hang.sh\"\n", after: (*stopFixture).runs},
	{name: "callback", global: "callback = %DIR%/hang.sh", after: func(s *stopFixture) {
		s.configure("callback = "+s.dir+"/hang.sh\n# changed", "")
		s.runs()
	}},
	{name: "external check", sections: down[:len(down)-len("connect\n")] + "external\n\tcheckcommand = %DIR%/hang.sh\n\tchecktimeout = 1000\n", after: (*stopFixture).runs},
	{name: "silent check", sections: "virtual = 10.9.0.100:90\n\treal = %RELAY% masq\n\tservice = http\n\tchecktimeout = 1000\n\tnegotiatetimeout = 1000\n"},
	{name: "monitorfile without a reader", sections: down + "\tmonitorfile = %DIR%/pipe\n", before: func(s *stopFixture) {
		if err := unix.Mkfifo(filepath.Join(s.dir, "pipe"), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}},
	{name: "monitorfile on a mount that dies", sections: down + "\tmonitorfile = %DIR%/mon/file\n", before: func(s *stopFixture) { _ = os.Mkdir(filepath.Join(s.dir, "mon"), 0o755) }, after: func(s *stopFixture) {
		s.deadMount(filepath.Join(s.dir, "mon"))
		time.Sleep(1500 * time.Millisecond) // for a check, each second
	}},
	{name: "standard error", stderr: (*stopFixture).full},
	{name: "log that nobody reads", global: "logfile = %DIR%/pipe", before: func(s *stopFixture) {
		path := filepath.Join(s.dir, "pipe")
		if err := unix.Mkfifo(path, 0o600); err != nil {
			s.t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0) // who reads, and never does
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { f.Close() })
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
			s.t.Fatal(err)
		}
	}},
	{name: "log on a mount that dies", global: "logfile = %DIR%/log/shunt.log", before: func(s *stopFixture) { _ = os.Mkdir(filepath.Join(s.dir, "log"), 0o755) }, after: func(s *stopFixture) {
		s.deadMount(filepath.Join(s.dir, "log"))
		send(s.t, s.cmd, unix.SIGUSR1)
		time.Sleep(100 * time.Millisecond)
	}},
	{name: "file on a mount that dies", after: func(s *stopFixture) {
		s.deadMount(filepath.Dir(s.file))
		send(s.t, s.cmd, unix.SIGHUP)
		time.Sleep(1500 * time.Millisecond) // for the look at it, each second
	}},
	{name: "maintenancedir on a mount that dies", global: "maintenancedir = %DIR%/out", before: func(s *stopFixture) { _ = os.Mkdir(filepath.Join(s.dir, "out"), 0o755) }, after: func(s *stopFixture) {
		s.deadMount(filepath.Join(s.dir, "out"))
		time.Sleep(1500 * time.Millisecond) // for the look at it, each second
	}},
	{name: "reload of a page on a dead mount", after: func(s *stopFixture) {
		s.deadMount(filepath.Join(s.dir, "dead"))
		s.configure("sorrypage = "+s.dir+"/dead/page", "")
		send(s.t, s.cmd, unix.SIGHUP)
		time.Sleep(200 * time.Millisecond)
	}},
	{name: "control client", after: func(s *stopFixture) {
		s.dial("unix", filepath.Join(s.dir, "c.sock"), "GET /api/v1/status HTTP/1.1\r\nHo")
	}},
	{name: "admin client", after: func(s *stopFixture) { s.dial("tcp", "127.0.0.1:9910", "GET /metrics HTTP/1.1\r\nHo") }},
	{name: "client of the service", after: func(s *stopFixture) { s.dial("tcp", "10.9.0.100:80", "half a sentence") }},
	{name: "workers", after: (*stopFixture).freeze},
	{name: "child", global: "execute = %DIR%/other.cf", before: func(s *stopFixture) {
		write(s.t, filepath.Join(s.dir, "other.cf"), "emailalert = a@b.example\nsmtp = "+s.relay+"\n"+many())
	}},
}

// many are services that have something to tell when they go.
func many() string {
	text := ""
	for i := range 6 {
		text += fmt.Sprintf("virtual = 10.9.0.1:%d\n\treal = 127.0.0.1:8081 masq\n\tchecktype = on\n", 9000+i)
	}
	return text
}

// stand starts a shunt with what is to hang.
func (h hang) stand(t *testing.T, global string) *stopFixture {
	t.Helper()
	s := newStopFixture(t, h.name)
	s.script()
	s.configure(h.global+"\n"+global, h.sections)
	if h.before != nil {
		h.before(s)
	}
	var stderr *os.File
	var err error
	if h.stderr != nil {
		stderr = h.stderr(s)
	} else if stderr, err = os.Create(filepath.Join(s.dir, "stderr")); err != nil {
		t.Fatal(err)
	}
	s.start(stderr)
	t.Cleanup(func() {
		if text, err := os.ReadFile(filepath.Join(s.dir, "stderr")); err == nil && t.Failed() {
			t.Logf("%s said:\n%s", s.name, text)
		}
	})
	return s
}

// each does something with a shunt for each hang, all at once when they hang.
func each(t *testing.T, global string, connect bool, do func(*stopFixture)) {
	t.Helper()
	var fixtures []*stopFixture
	for _, h := range hangs {
		fixtures = append(fixtures, h.stand(t, global))
	}
	for i, s := range fixtures {
		s.ready()
		if connect {
			s.connect("10.9.0.100:80")
		}
		if hangs[i].after != nil {
			hangs[i].after(s)
		}
	}
	var wg sync.WaitGroup
	for _, s := range fixtures {
		wg.Go(func() { do(s) })
	}
	wg.Wait()
}

// connect returns a connection through a service that works.
func (s *stopFixture) connect(vip string) (c net.Conn) {
	s.t.Helper()
	wait.Until(s.t, s.name+": a connection through "+vip, func() bool {
		c = s.dial("tcp", vip, "hello\n")
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 6)
		_, err := io.ReadFull(c, b)
		return err == nil && string(b) == "hello\n"
	})
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// Addresses and rules are gone a second after SIGTERM and the process ten seconds
// after it, even if parts of it hang.
func TestStopWhateverHangs(t *testing.T) {
	each(t, "", false, func(s *stopFixture) {
		s.term()
		s.gone("", goesAt)
		s.over(endsBy)
	})
}

// Connections that are waited for keep what they need. Whatever hangs, a second
// SIGTERM ends the waiting and the process within a second.
func TestSecondSignalWhateverHangs(t *testing.T) {
	each(t, "cleanstop = no\ndraintimeout = 1000", true, func(s *stopFixture) {
		s.term()
		time.Sleep(1200 * time.Millisecond)
		if s.left() != "10.9.0.100 10.9.0.101 rule" {
			t.Errorf("%s: while a connection is waited for the host has %q", s.name, s.left())
		}
		s.term()
		s.gone("", goesAt)
		s.over(goesAt)
	})
}

// The addresses of connections that are waited for go with the last of them.
func TestStopWaitsForConnections(t *testing.T) {
	s := newStopFixture(t, "connections")
	s.configure("draintimeout = 1000\ncleanstop = yes", "\tcleanstop = yes\nvirtual = 10.9.0.103:80\n\treal = 127.0.0.1:8081 masq\n\tchecktype = connect\n\tcleanstop = no\n")
	s.start(nil)
	c, cut := s.connect("10.9.0.103:80"), s.connect("10.9.0.100:80")
	s.term()
	if _, err := cut.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("a connection that is not waited for: %v, want a reset", err)
	}
	s.gone("10.9.0.103", goesAt)
	if _, err := io.WriteString(c, "still\n"); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 6)); err != nil {
		t.Errorf("a connection that is waited for: %v", err)
	}
	c.Close()
	s.started = time.Now()
	s.gone("", goesAt)
	s.over(endsBy)
}

// A start that hangs is told to end as everything else.
func TestStopOfAStartThatHangs(t *testing.T) {
	for signals, limit := range map[int]time.Duration{1: endsBy, 2: goesAt} {
		s := newStopFixture(t, fmt.Sprintf("%d signals", signals))
		s.configure("logfile = %DIR%/dead/log", "")
		s.deadMount(filepath.Join(s.dir, "dead"))
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s.start(w)
		w.Close()
		if _, err := r.Read(make([]byte, 1)); err != nil { // its first words
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		for range signals {
			s.term()
			time.Sleep(200 * time.Millisecond)
		}
		s.over(limit)
	}
}
