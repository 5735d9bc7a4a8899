package checks_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// An ftpServer answers commands as said says: a command, or one with its
// argument, and the lines of its reply; after CLOSE it closes the connection.
// Other commands are answered with 200. EPSV and PASV have PORT stand for the port of the
// data connection (HIGH,LOW for PASV), and with "150" as the reply to RETR the
// file is sent and the reply to END is said.
type ftpServer struct {
	said map[string]string
	file string
	data func(net.Conn) // instead of the file
}

func (s ftpServer) serve(ctx context.Context, conn *net.TCPConn) {
	host := conn.LocalAddr().(*net.TCPAddr).IP.String()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	reply := func(command, otherwise string) bool {
		text, ok := s.said[command]
		if !ok {
			text = otherwise
		}
		text = strings.ReplaceAll(text, "HIGH,LOW", fmt.Sprintf("%d,%d", port>>8, port&255))
		text = strings.ReplaceAll(text, "PORT", fmt.Sprint(port))
		if text == "hang" {
			<-ctx.Done()
			return false
		}
		text, ends := strings.CutSuffix(text, "CLOSE")
		_, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")+"\r\n")
		return err == nil && !ends
	}
	if !reply("", "220 files") {
		return
	}
	for in := bufio.NewScanner(conn); in.Scan(); {
		command, _, _ := strings.Cut(in.Text(), " ")
		switch command {
		case "EPSV", "PASV":
			if !reply(command, map[string]string{"EPSV": "229 go (|||PORT|)", "PASV": "227 go (10,255,255,1,HIGH,LOW)."}[command]) {
				return
			}
		case "RETR":
			s.retrieve(ctx, in.Text(), ln, reply)
		case "QUIT":
			reply(command, "221 bye")
			return
		default:
			text := cmp.Or(map[string]string{"USER": "331 password", "PASS": "230 in"}[command], "200 fine")
			if _, ok := s.said[in.Text()]; ok {
				command = in.Text()
			}
			if !reply(command, text) {
				return
			}
		}
	}
}

func (s ftpServer) retrieve(ctx context.Context, command string, ln net.Listener, reply func(string, string) bool) {
	if text, ok := s.said[command]; ok && !strings.HasPrefix(text, "1") {
		reply(command, "")
		return
	}
	if text, ok := s.said["RETR"]; ok && !strings.HasPrefix(text, "1") {
		reply("RETR", "")
		return
	}
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(long))
	data, err := ln.Accept()
	if err != nil {
		return
	}
	defer data.Close()
	defer context.AfterFunc(ctx, func() { _ = data.Close() })()
	reply("RETR", "150 here it comes")
	if s.data != nil {
		s.data(data)
	} else {
		_, _ = io.WriteString(data, s.file)
	}
	_ = data.Close()
	reply("END", "226 done")
}

func TestFTP(t *testing.T) {
	said := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	const file = "all is well\n"
	big := strings.Repeat("x", checks.MaxBody)
	tests := []struct {
		name    string
		server  ftpServer
		request string
		receive string
		kind    checks.Kind
		words   string
	}{
		{"the file matches", ftpServer{file: file}, "/f", "is well$", "", ""},
		{"any file", ftpServer{file: file}, "/f", "", "", ""},
		{"an empty file", ftpServer{}, "/f", "", "", ""},
		{"the login alone", ftpServer{said: said("RETR", "550 no")}, "/", "", "", ""},
		{"no password wanted", ftpServer{said: said("USER", "230 in"), file: file}, "/f", "well", "", ""},
		{"lines before the replies", ftpServer{said: said("", "\nWelcome\n220 files", "PASS secret", "Hello\n230 in"), file: file}, "/f", "well", "", ""},
		{"several lines", ftpServer{said: said("", "220-a\n 220 b\n331-c\n220 d", "PASS secret", "230-in\n230 in"), file: file}, "/f", "well", "", ""},
		{"TYPE refused", ftpServer{said: said("TYPE", "504 no"), file: file}, "/f", "well", "", ""},
		{"EPSV refused", ftpServer{said: said("EPSV", "500 no"), file: file}, "/f", "well", "", ""},
		{"EPSV is the end", ftpServer{said: said("EPSV", "421 noCLOSE"), file: file}, "/f", "well", "", ""},
		{"EPSV only", ftpServer{said: said("PASV", "500 no"), file: file}, "/f", "well", "", ""},
		{"much of it", ftpServer{file: "well" + big}, "/f", "^well", "", ""},
		{"too much of it", ftpServer{file: big + "well"}, "/f", "well", checks.Mismatch, `file does not match "well"`},
		{"another file", ftpServer{file: file}, "/f", "is ill", checks.Mismatch, `file does not match "is ill"`},
		{"no file", ftpServer{said: said("RETR /f", "550 /f: no")}, "f", "", checks.Status, `RETR "550 /f: no", want 1xx`},
		{"greeting 421", ftpServer{said: said("", "421 busy")}, "/", "", checks.Status, `greeting "421 busy", want 2xx`},
		{"greeting 120", ftpServer{said: said("", "120 soon")}, "/", "", checks.Status, `greeting "120 soon", want 2xx`},
		{"greeting of another protocol", ftpServer{said: said("", "SSH-2.0\x1bCLOSE")}, "/", "", checks.Protocol, `greeting "SSH-2.0\x1b", want 2xx`},
		{"greeting of another protocol, silence", ftpServer{said: said("", "SSH-2.0")}, "/", "", checks.Protocol, `greeting "SSH-2.0", want 2xx`},
		{"greeting of three digits and more", ftpServer{said: said("", "220filesCLOSE")}, "/", "", checks.Protocol, `greeting "220files", want 2xx`},
		{"USER refused", ftpServer{said: said("USER joe", "530 no")}, "/", "", checks.Auth, `USER "530 no", want 2xx`},
		{"USER is unknown", ftpServer{said: said("USER joe", "500 what")}, "/", "", checks.Status, `USER "500 what", want 2xx`},
		{"no folder", ftpServer{said: said("PASS secret", "500 OOPS: cannot change directory")}, "/", "", checks.Status, `PASS "500 OOPS: cannot change directory", want 2xx`},
		{"PASS refused", ftpServer{said: said("PASS secret", "530 no secret")}, "/", "", checks.Auth, `PASS "530 no ***", want 2xx`},
		{"PASS 421", ftpServer{said: said("PASS", "421 too many")}, "/", "", checks.Status, `PASS "421 too many", want 2xx`},
		{"an account is wanted", ftpServer{said: said("PASS", "332 account")}, "/", "", checks.Auth, `PASS "332 account", want 2xx`},
		{"neither EPSV nor PASV", ftpServer{said: said("EPSV", "500 no", "PASV", "502 no")}, "/f", "", checks.Status, `EPSV "500 no", want 2xx`},
		{"no port", ftpServer{said: said("PASV", "500 no", "EPSV", "229 go (|||65536|)")}, "/f", "", checks.Protocol, `EPSV "229 go (|||65536|)", want a port`},
		{"nobody at the port", ftpServer{said: said("PASV", "500 no", "EPSV", "229 go (|||1|)")}, "/f", "", checks.Refused, "data connection to HOST:1: connection refused"},
		{"no data connection", ftpServer{said: said("RETR", "425 no")}, "/f", "", checks.Status, `RETR "425 no", want 1xx`},
		{"aborted", ftpServer{file: file, said: said("END", "426 aborted")}, "/f", "well", checks.Status, `RETR "426 aborted", want 2xx`},
		{"torn", ftpServer{data: func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, said: said("END", "426 torn")}, "/f", "", checks.Status, `RETR "426 torn", want 2xx`},
		{"no end", ftpServer{file: file, said: said("END", "hang")}, "/f", "well", checks.Timeout, "timed out after 500ms while waiting for the end of the file"},
		{"silent data", ftpServer{data: func(c net.Conn) { _, _ = io.ReadAll(c) }}, "/f", "well", checks.Timeout, "timed out after 500ms while waiting for the end of the file"},
		{"silent", ftpServer{said: said("", "hang")}, "/", "", checks.Timeout, "timed out after 500ms while waiting for the greeting"},
		{"silent after PASS", ftpServer{said: said("PASS", "hang")}, "/", "", checks.Timeout, "timed out after 500ms while waiting for the reply to PASS"},
		{"endless greeting", ftpServer{said: said("", strings.Repeat("220-files\n", 1<<17))}, "/", "", checks.Protocol, "the answer has more than 1048576 bytes"},
	}
	for _, tt := range tests {
		for _, host := range []string{"127.0.0.1", "::1"} {
			if host == "::1" && strings.HasPrefix(tt.name, "EPSV ") && tt.name != "EPSV only" {
				continue // IPv6 has EPSV alone
			}
			t.Run(tt.name+" "+host, func(t *testing.T) {
				addr := server(t, host, tt.server.serve)
				timeout := long
				if tt.kind == checks.Timeout || strings.HasSuffix(tt.name, "silence") {
					timeout = 500 * time.Millisecond
				}
				err := run(t, "ftp", timeout, checks.Target{
					Addr: addr, Login: "joe", Passwd: "secret", Request: tt.request, Receive: optional(tt.receive),
				})
				words := strings.ReplaceAll(tt.words, "HOST:1", netip.AddrPortFrom(addr.Addr(), 1).String())
				want(t, err, wrapped("ftp ADDR: ", words), addr)
				if got := checks.KindOf(err); got != tt.kind {
					t.Errorf("kind %q, want %q", got, tt.kind)
				}
			})
		}
	}
}
