package checks_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
)

// agentLines are lines of haproxy's agents, with what haproxy makes of them
// (agent-check in its configuration manual), and some that are none.
var agentLines = []struct {
	line string
	note checks.Note
	want string // of the verdict, WHO standing for who says it
}{
	{"up", checks.Note{Up: true}, ""},
	{"75%", checks.Note{Weight: &checks.Weight{N: 75, Percent: true}}, ""},
	{"0%", checks.Note{Weight: &checks.Weight{N: 0, Percent: true}}, ""},
	{"weight:30%", checks.Note{Weight: &checks.Weight{N: 30, Percent: true}}, ""},
	{"12", checks.Note{Weight: &checks.Weight{N: 12}}, ""},
	{"ready", checks.Note{Admin: checks.Ready}, ""},
	{"drain", checks.Note{Admin: checks.Drain}, ""},
	{"MAINT # upgrade", checks.Note{Admin: checks.Maint, Why: "upgrade"}, ""},
	{"down", checks.Note{}, "WHO says down"},
	{"down#disk full", checks.Note{Why: "disk full"}, "WHO says down: disk full"},
	{"fail", checks.Note{}, "WHO says fail"},
	{"stopped # by hand, up later", checks.Note{Why: "by hand, up later"}, "WHO says stopped: by hand, up later"},
	{"ready up 50%", checks.Note{Admin: checks.Ready, Up: true, Weight: &checks.Weight{N: 50, Percent: true}}, ""},
	{"up,ready,\t50%,maxconn:30", checks.Note{Admin: checks.Ready, Up: true, Weight: &checks.Weight{N: 50, Percent: true}}, ""},
	{"drain down", checks.Note{Admin: checks.Drain}, "WHO says down"},
	{"down up", checks.Note{Up: true}, ""},
	{"maxconn:10", checks.Note{}, ""},
	{"up nonsense", checks.Note{Up: true}, ""},
	{"HTTP/1.1 400 Bad Request", checks.Note{}, `WHO says "HTTP/1.1 400 Bad Request", which is no state`},
	{"220 (vsFTPd 3.0.3)", checks.Note{}, `WHO says "220 (vsFTPd 3.0.3)", which is no state`},
	{"421 4.3.2 Service not available", checks.Note{}, `WHO says "421 4.3.2 Service not available", which is no state`},
	{"5 busy up", checks.Note{Up: true}, ""},
	{"5 maxconn:30 up", checks.Note{Up: true, Weight: &checks.Weight{N: 5}}, ""},
	{"busy 5%", checks.Note{Weight: &checks.Weight{N: 5, Percent: true}}, ""},
	{"nonsense", checks.Note{}, `WHO says "nonsense", which is no state`},
	{"-5%", checks.Note{}, `WHO says "-5%", which is no state`},
	{"70000%", checks.Note{}, `WHO says "70000%", which is no state`},
	{"down # a\x1b[31mb", checks.Note{Why: "a[31mb"}, "WHO says down: a[31mb"},
}

func sameNote(a, b checks.Note) bool {
	if (a.Weight == nil) != (b.Weight == nil) || a.Weight != nil && *a.Weight != *b.Weight {
		return false
	}
	return a.Admin == b.Admin && a.Why == b.Why && a.Up == b.Up
}

func TestAgent(t *testing.T) {
	for _, tt := range agentLines {
		for _, end := range []string{"\n", "\r\n", "\nmore\n", ""} {
			addr := server(t, "127.0.0.1", says(tt.line+end))
			note := &checks.Note{}
			words := ""
			if tt.want != "" {
				words = "agent ADDR: " + strings.Replace(tt.want, "WHO", "the agent", 1)
			}
			want(t, run(t, "agent", long, checks.Target{Addr: addr, Note: note}), words, addr)
			if !sameNote(*note, tt.note) {
				t.Errorf("%q notes %+v, want %+v", tt.line, note, tt.note)
			}
		}
	}
}

func TestAgentSends(t *testing.T) {
	addr := server(t, "127.0.0.1", func(_ context.Context, conn *net.TCPConn) {
		asked := make([]byte, 100)
		n, _ := conn.Read(asked)
		_, _ = conn.Write(asked[:n])
	})
	note := &checks.Note{}
	want(t, run(t, "agent", long, checks.Target{Addr: addr, Request: `/drain\n`, Note: note}), "", addr)
	if note.Admin != checks.Drain {
		t.Errorf("%+v", note)
	}
}

func TestAgentBadServers(t *testing.T) {
	addr := server(t, "127.0.0.1", silent)
	want(t, run(t, "agent", brief, checks.Target{Addr: addr}), "agent ADDR: timed out after 200ms while waiting for the agent's line", addr)
	addr = server(t, "127.0.0.1", says(""))
	want(t, run(t, "agent", long, checks.Target{Addr: addr}), "agent ADDR: connection closed without an answer", addr)
	addr = server(t, "127.0.0.1", func(_ context.Context, c *net.TCPConn) { endless(c, "up ") })
	want(t, run(t, "agent", long, checks.Target{Addr: addr}), "agent ADDR: the agent's line has more than 1024 bytes", addr)
	addr = server(t, "127.0.0.1", func(_ context.Context, c *net.TCPConn) { slowly(c, "up 50%\n") })
	want(t, run(t, "agent", long, checks.Target{Addr: addr}), "", addr)
	addr = refused(t)
	want(t, run(t, "agent", long, checks.Target{Addr: addr}), "agent ADDR: connection refused", addr)
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for _, tt := range agentLines {
		if err := os.WriteFile(path, []byte("# remark\n\n"+tt.line+"\nmore\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		note := &checks.Note{}
		words := ""
		if tt.want != "" {
			words = "file " + path + ": " + strings.Replace(tt.want, "WHO", "the file", 1)
		}
		want(t, run(t, "file", long, checks.Target{File: path, Note: note}), words, refused(t))
		if !sameNote(*note, tt.note) {
			t.Errorf("%q notes %+v, want %+v", tt.line, note, tt.note)
		}
	}
}

// TestFileOfAFolder: in a folder the file is named after the real server.
func TestFileOfAFolder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"192.0.2.1:80": "down", "[2001:db8::1]:80": "down # six", "192.0.2.1": "up", "empty:1": "# nothing\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe:1"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ addr, port, want string }{
		{"192.0.2.1", "80", "the file says down"},
		{"[2001:db8::1]", "80", "the file says down: six"},
		{"192.0.2.1", "0", ""},
		{"192.0.2.2", "80", "no such file or directory"},
		{"empty", "1", "the file says nothing"},
		{"pipe", "1", "not a regular file"},
	} {
		words := ""
		if tt.want != "" {
			words = "file " + filepath.Join(dir, tt.addr)
			if tt.port != "0" {
				words += ":" + tt.port
			}
			words += ": " + tt.want
		}
		began := time.Now()
		want(t, run(t, "file", long, checks.Target{File: dir, RealAddr: tt.addr, RealPort: tt.port}), words, refused(t))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s took %v", tt.addr, took)
		}
	}
}

// TestExternalWeight: an exit status from 2 on is a weight where that is wanted.
func TestExternalWeight(t *testing.T) {
	for _, tt := range []struct {
		status string
		how    checks.CommandWeight
		good   bool
		weight *checks.Weight
	}{
		{"0", checks.PlainWeight, true, nil},
		{"1", checks.PlainWeight, false, nil},
		{"2", checks.PlainWeight, true, &checks.Weight{N: 0}},
		{"255", checks.PlainWeight, true, &checks.Weight{N: 253}},
		{"77", checks.PercentWeight, true, &checks.Weight{N: 75, Percent: true}},
		{"77", checks.NoWeight, false, nil},
	} {
		path := filepath.Join(t.TempDir(), "check")
		if err := os.WriteFile(path, []byte("#!/bin/sh\nexit "+tt.status+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		note := &checks.Note{}
		err := run(t, "external", long, checks.Target{Command: path, CommandWeight: tt.how, Note: note})
		if (err == nil) != tt.good || !sameNote(*note, checks.Note{Weight: tt.weight}) {
			t.Errorf("%+v: %v, %+v", tt, err, note)
		}
	}
}
