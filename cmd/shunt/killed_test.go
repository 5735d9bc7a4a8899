package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// After kill -9 and a start with any other file the host has the addresses and
// rules of that file and nothing of the one before. What is not shunt's stays.
func TestKilledAndStarted(t *testing.T) {
	const (
		first  = "virtual = 10.9.0.100:80\n\treal = 10.9.0.2:80 masq\n\tchecktype = on\n"
		second = "virtual = 10.9.0.101:80\n\treal = 10.9.0.2:81 masq\n\tchecktype = on\n"
		own    = "\tinterface = eth0\n"
		clear  = "\ttransparent = yes\n"
		others = "10.9.0.150"
	)
	files := []struct{ text, has string }{
		{first, others},
		{"", others},
		{first + own, others + " 10.9.0.100"},
		{second + own + clear, others + " 10.9.0.101 rule"},
		{first + clear, others + " rule"},
		{first + own + second + own + clear, others + " 10.9.0.100 10.9.0.101 rule"},
		{first + own + clear + second + clear, others + " 10.9.0.100 rule rule"},
	}
	s := newStopFixture(t, "killed")
	if err := s.in.AddVIP("eth0", netip.MustParseAddr("10.9.0.150")); err != nil {
		t.Fatal(err)
	}
	run := func(i int) {
		t.Helper()
		write(t, s.file, "checkinterval = 1\nlogfile = "+s.dir+"/log\n"+files[i].text)
		s.start(nil)
		s.started = time.Now()
		has := strings.Fields(files[i].has)
		slices.Sort(has)
		s.gone(strings.Join(has, " "), 20*time.Second)
	}
	for from := range files {
		for to := range files {
			if to <= from {
				continue
			}
			for _, i := range []int{from, to, from} {
				run(i)
				send(t, s.cmd, unix.SIGKILL)
				<-s.exited
			}
			if t.Failed() {
				t.Fatalf("from %q to %q", files[from].text, files[to].text)
			}
		}
	}
	run(0)
	s.term()
	s.over(endsBy)
	if left := s.left(); left != others {
		t.Errorf("after a clean stop the host has %q", left)
	}
}
