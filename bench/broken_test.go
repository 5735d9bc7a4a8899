package bench_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/subject"
)

// brokenMark is the first argument of a process that is a director with a
// defect.
const brokenMark = "director-with-a-defect"

// defective is a director that has the defect: none, unfair, lossy, slow, lazy
// (acknowledges late) or unjust (lets small answers wait).
func defective(defect string) *subject.Subject {
	return subject.Program(defect, "/proc/self/exe", func(s *subject.Setting) []string {
		args := []string{brokenMark, defect, s.VIP.String()}
		for _, r := range s.Reals {
			args = append(args, r.Addr.String())
		}
		return args
	})
}

// broken directs connections to the real servers in turn.
func broken(args []string) {
	if len(args) < 3 { // asked for a version
		fmt.Println("1")
		return
	}
	ln, err := net.Listen("tcp", args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	d := &director{defect: args[0], reals: args[2:]}
	for {
		c, err := ln.Accept()
		if err != nil {
			os.Exit(1)
		}
		go d.carry(c.(*net.TCPConn))
	}
}

type director struct {
	defect string
	reals  []string
	n      atomic.Uint64
}

func (d *director) carry(c *net.TCPConn) {
	defer c.Close()
	n := d.n.Add(1)
	switch d.defect {
	case "lossy":
		if n%1000 == 0 {
			_ = c.SetLinger(0) // a reset
			return
		}
	case "slow":
		time.Sleep(5 * time.Millisecond)
	case "unfair":
		if n%4 == 0 {
			n++
		}
	}
	s, err := net.Dial("tcp", d.reals[n%uint64(len(d.reals))])
	if err != nil {
		return
	}
	defer s.Close()
	if d.defect == "lazy" {
		acknowledgeLate(s.(*net.TCPConn))
	}
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(s, c); _ = s.(*net.TCPConn).CloseWrite() })
	both.Go(func() { d.answer(c, s); _ = c.CloseWrite() })
	both.Wait()
}

// answer passes on what comes from a real server.
func (d *director) answer(c *net.TCPConn, s net.Conn) {
	if d.defect != "unjust" {
		_, _ = io.Copy(c, s)
		return
	}
	b := make([]byte, 64<<10)
	for {
		n, err := s.Read(b)
		if n < 1000 {
			time.Sleep(5 * time.Millisecond)
		}
		if _, err2 := c.Write(b[:n]); err != nil || err2 != nil {
			return
		}
	}
}

func acknowledgeLate(s *net.TCPConn) {
	raw, err := s.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_TCP, unix.TCP_QUICKACK, 0) })
	}
}
