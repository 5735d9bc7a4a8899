//go:build kernel

package differential

import (
	"bufio"
	"crypto/md5"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"golang.org/x/net/dns/dnsmessage"
)

// conversations are the services in lines: how each real server greets by its
// port, and answers a line. A server that is broken refuses the login, or what
// comes nearest to it.
var conversations = map[int]func(broken bool) (greeting string, answer func(line string) string){
	25: func(broken bool) (string, func(string) string) {
		if broken {
			return "554 no mail today", func(string) string { return "503 no" }
		}
		return "220 mail.example.test ESMTP", codes(map[string]string{"EHLO": "250 mail.example.test", "QUIT": "221 bye"}, "500 what?")
	},
	110: func(broken bool) (string, func(string) string) {
		pass := "+OK 0 messages"
		if broken {
			pass = "-ERR wrong"
		}
		return "+OK at your service", codes(map[string]string{"CAPA": "-ERR none", "PASS": pass, "USER": "+OK", "STAT": "+OK 0 0", "LIST": "+OK\r\n.", "QUIT": "+OK bye"}, "-ERR what?")
	},
	119: func(broken bool) (string, func(string) string) {
		if broken {
			return "400 no news", codes(nil, "205 bye")
		}
		return "200 news.example.test", codes(nil, "205 bye")
	},
	143: func(broken bool) (string, func(string) string) {
		return "* OK at your service", func(line string) string {
			tag, command, _ := strings.Cut(line, " ")
			switch command = strings.ToUpper(command); {
			case broken && strings.HasPrefix(command, "LOGIN"):
				return tag + " NO wrong"
			case strings.HasPrefix(command, "LOGOUT"):
				return "* BYE bye\r\n" + tag + " OK bye"
			}
			return tag + " OK done"
		}
	},
}

// codes answers by the first word of a line.
func codes(by map[string]string, other string) func(string) string {
	return func(line string) string {
		word, _, _ := strings.Cut(strings.ToUpper(line), " ")
		if answer, ok := by[word]; ok {
			return answer
		}
		return other
	}
}

// serve has s answer by TCP on a port of each of its addresses.
func (s *server) serve(t *testing.T, port int, talk func(net.Conn)) (listeners []net.Listener) {
	t.Helper()
	for _, p := range s.addrs {
		ln, err := s.in.Listen("tcp", netip.AddrPortFrom(p.Addr(), uint16(port)).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		listeners = append(listeners, ln)
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					talk(conn)
				}()
			}
		}()
	}
	return listeners
}

// converse is one conversation in lines.
func (s *server) converse(conn net.Conn, port int) {
	greeting, answer := conversations[port](s.broken.Load())
	_, _ = fmt.Fprintf(conn, "%s\r\n", greeting)
	for in := bufio.NewScanner(conn); in.Scan(); {
		said := answer(in.Text())
		if _, err := fmt.Fprintf(conn, "%s\r\n", said); err != nil || strings.Contains(strings.ToUpper(in.Text()), "QUIT") || strings.Contains(said, "BYE") {
			return
		}
	}
}

// packets opens a socket of UDP on a port of each address of s, and has answer
// reply to each datagram.
func (s *server) packets(t *testing.T, port int, answer func(datagram []byte) []byte) {
	t.Helper()
	for _, p := range s.addrs {
		conn, err := s.in.ListenPacket("udp", netip.AddrPortFrom(p.Addr(), uint16(port)).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		go func() {
			buf := make([]byte, 4096)
			for {
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = conn.WriteTo(answer(buf[:n]), from)
			}
		}()
	}
}

// offer has s offer all services but that of the web.
func (s *server) offer(t *testing.T) {
	t.Helper()
	for port := range conversations {
		s.serve(t, port, func(conn net.Conn) { s.converse(conn, port) })
	}
	s.set(t, noFault)
	s.serve(t, 389, s.directory)
	s.packets(t, 53, s.names4)
	s.packets(t, 5060, s.telephone)
	s.packets(t, 1812, s.radius)
}

// names4 answers each question for an address, with another one if s is broken.
func (s *server) names4(datagram []byte) []byte {
	var query dnsmessage.Message
	if query.Unpack(datagram) != nil || len(query.Questions) != 1 {
		return nil
	}
	addr := [4]byte{10, 1, 2, 3}
	if s.broken.Load() {
		addr = [4]byte{10, 9, 9, 9}
	}
	q := query.Questions[0]
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionDesired: query.RecursionDesired},
		Questions: query.Questions,
		Answers: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: addr},
		}},
	}
	b, _ := reply.Pack()
	return b
}

// telephone answers OPTIONS of SIP.
func (s *server) telephone(datagram []byte) []byte {
	status := "200 OK"
	if s.broken.Load() {
		status = "503 Service Unavailable"
	}
	reply := "SIP/2.0 " + status + "\r\n"
	for line := range strings.Lines(string(datagram)) {
		for _, name := range []string{"Via:", "From:", "To:", "Call-ID:", "CSeq:"} {
			if strings.HasPrefix(line, name) {
				reply += strings.TrimRight(line, "\r\n") + "\r\n"
			}
		}
	}
	return []byte(reply + "Content-Length: 0\r\n\r\n")
}

// radius answers a request for access (RFC 2865 section 3).
func (s *server) radius(request []byte) []byte {
	const accept, reject, head, size = 2, 3, 4, 20
	if len(request) < size {
		return nil
	}
	reply := append([]byte{accept, request[1], 0, size}, request[head:size]...)
	if s.broken.Load() {
		reply[0] = reject
	}
	sum := md5.Sum(append(reply, "shared"...))
	return append(reply[:head], sum[:]...)
}

// directory answers each bind, and each search with one entry.
func (s *server) directory(conn net.Conn) {
	for {
		request, err := ber.ReadPacket(conn)
		if err != nil || len(request.Children) < 2 {
			return
		}
		id := request.Children[0].Value
		switch request.Children[1].Tag {
		case 0: // bindRequest
			writeLDAP(conn, id, 1, result(s.broken.Load()))
		case 3: // searchRequest
			name := ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "dc=cluster,dc=test", "")
			writeLDAP(conn, id, 4, []*ber.Packet{name, ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")})
			writeLDAP(conn, id, 5, result(false))
		default:
			return
		}
	}
}

// result is that of an operation of LDAP: success, or invalidCredentials.
func result(refused bool) []*ber.Packet {
	code := 0
	if refused {
		code = 49
	}
	text := func() *ber.Packet {
		return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", "")
	}
	return []*ber.Packet{ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""), text(), text()}
}

func writeLDAP(w io.Writer, id any, operation ber.Tag, parts []*ber.Packet) {
	message := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	body := ber.Encode(ber.ClassApplication, ber.TypeConstructed, operation, nil, "")
	for _, p := range parts {
		body.AppendChild(p)
	}
	message.AppendChild(body)
	_, _ = w.Write(message.Bytes())
}
