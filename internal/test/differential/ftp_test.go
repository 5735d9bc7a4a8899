//go:build kernel

package differential

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// An ftpSession is one of FTP, with data connections in both directions:
// ldirectord has them made to itself.
type ftpSession struct {
	server *server
	conn   net.Conn
	fault  fault
	data   func() (net.Conn, error)
	passes net.Listener // of passive mode
}

func (s *server) ftp(conn net.Conn, f fault) {
	session := &ftpSession{server: s, conn: conn, fault: f}
	defer session.close()
	session.say("220 files")
	for in := bufio.NewScanner(conn); in.Scan(); {
		command, argument, _ := strings.Cut(in.Text(), " ")
		session.answer(strings.ToUpper(command), argument)
	}
}

func (s *ftpSession) close() {
	if s.passes != nil {
		_ = s.passes.Close()
	}
}

func (s *ftpSession) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.conn, format+"\r\n", args...)
}

func (s *ftpSession) answer(command, argument string) {
	switch {
	case command == "USER":
		s.say("331 password")
	case s.fault == loginRefused && command != "QUIT":
		s.say("530 log in")
	case command == "PASS":
		s.say("230 in")
	case command == "PORT":
		s.active(argument)
	case command == "EPSV" || command == "PASV":
		s.passive(command)
	case command == "RETR":
		s.retrieve(argument)
	case command == "QUIT":
		s.say("221 bye")
	default:
		s.say("200 fine")
	}
}

// active is what PORT asks for (RFC 959, section 4.1.2).
func (s *ftpSession) active(argument string) {
	var a [4]byte
	var high, low uint16
	if _, err := fmt.Sscanf(argument, "%d,%d,%d,%d,%d,%d", &a[0], &a[1], &a[2], &a[3], &high, &low); err != nil {
		s.say("501 no address")
		return
	}
	to := netip.AddrPortFrom(netip.AddrFrom4(a), high<<8|low)
	s.data = func() (net.Conn, error) { return s.server.in.Dial(context.Background(), "tcp", to.String()) }
	s.say("200 to %s", to)
}

func (s *ftpSession) passive(command string) {
	s.close()
	host := s.conn.LocalAddr().(*net.TCPAddr).IP.String()
	ln, err := s.server.in.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		s.say("425 %v", err)
		return
	}
	s.passes, s.data = ln, ln.Accept
	port := ln.Addr().(*net.TCPAddr).Port
	if command == "EPSV" {
		s.say("229 go (|||%d|)", port)
		return
	}
	s.say("227 go (%s,%d,%d)", strings.ReplaceAll(host, ".", ","), port>>8, port&255)
}

func (s *ftpSession) retrieve(path string) {
	text := "all is well\n"
	switch {
	case s.fault == requestFails || path != "/well.txt":
		s.say("550 %s: no such file", path)
		return
	case s.fault == otherAnswer:
		text = "all is lost\n"
	case s.data == nil:
		s.say("425 no data connection")
		return
	}
	s.say("150 here it comes")
	data, err := s.data()
	if err != nil {
		s.say("425 %v", err)
		return
	}
	_, _ = io.WriteString(data, text)
	_ = data.Close()
	s.say("226 done")
}
