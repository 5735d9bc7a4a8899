package checks

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/shunt-lb/shunt/checks/internal/library"
	"github.com/shunt-lb/shunt/config"
)

// A recording is a connection to a real server that says the same whatever it is
// asked, and then closes. What begins with a message of LDAP comes in two parts,
// each when it is asked for: the library drops what it has not.
type recording struct {
	net.Conn
	asked chan struct{} // one for each part that may be read
	parts []*bytes.Reader
}

func newRecording(name, answer string) *recording {
	r := &recording{asked: make(chan struct{}, 16), parts: []*bytes.Reader{bytes.NewReader([]byte(answer))}}
	if end := 2; name == "ldap" && len(answer) > end {
		end = min(len(answer), end+int(answer[1]&0x7f))
		r.parts = []*bytes.Reader{bytes.NewReader([]byte(answer[:end])), bytes.NewReader([]byte(answer[end:]))}
	}
	if name != "ldap" {
		r.asked <- struct{}{}
	}
	return r
}

func (r *recording) Read(b []byte) (int, error) {
	if len(r.parts) == 0 {
		return 0, io.EOF
	}
	select {
	case <-r.asked:
	case <-time.After(20 * time.Millisecond): // a message that is not whole: nobody asks before it is
	}
	n, err := r.parts[0].Read(b)
	if r.parts[0].Len() == 0 {
		r.parts = r.parts[1:]
	} else {
		r.asked <- struct{}{}
	}
	return n, err
}

func (r *recording) Write(b []byte) (int, error) { return len(b), r.ask() }
func (r *recording) Close() error                { return r.ask() }

func (r *recording) ask() error {
	select {
	case r.asked <- struct{}{}:
	default:
	}
	return nil
}

func (r *recording) SetDeadline(time.Time) error      { return nil }
func (r *recording) SetReadDeadline(time.Time) error  { return nil }
func (r *recording) SetWriteDeadline(time.Time) error { return nil }
func (r *recording) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
func (r *recording) LocalAddr() net.Addr              { return r.RemoteAddr() }

// The libraries, each as its check uses it on what comes back.
var libraries = map[string]func(t *Target, w *library.Conn) error{
	"mysql": func(t *Target, w *library.Conn) error { return askMySQL(t, w, "select 1") },
	"pgsql": func(t *Target, w *library.Conn) error {
		secure := false
		return askPg(t, library.NewFrames(w, pgHeader, pgLook), w, "select 1", &secure)
	},
	"ldap": func(t *Target, w *library.Conn) error { return askLDAP(context.Background(), t, w) },
	"grpc": func(t *Target, w *library.Conn) error { return newHealthCall(t, w).receive() },
}

// good is an answer of each that is a good one.
func good(t testing.TB) map[string]string {
	t.Helper()
	const hello = "\x4a\x00\x00\x00\x0a8.0.36\x00\x01\x00\x00\x0012345678\x00\xff\xf7\xff\x02\x00\x08\x00\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00123456789012\x00mysql_native_password\x00"
	column := "\x03def\x00\x00\x00\x011\x00\x0c\x3f\x00\x01\x00\x00\x00\x08\x81\x00\x00\x00\x00"
	m := string(rune(len(hello)-4)) + hello[1:] + "\x07\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00" +
		"\x01\x00\x00\x01\x01" + string(rune(len(column))) + "\x00\x00\x02" + column + "\x05\x00\x00\x03\xfe\x00\x00\x02\x00" +
		"\x02\x00\x00\x04\x011" + "\x05\x00\x00\x05\xfe\x00\x00\x02\x00"
	var p []byte
	for _, message := range []pgproto3.BackendMessage{
		&pgproto3.AuthenticationOk{}, &pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte("1234")}, &pgproto3.ReadyForQuery{TxStatus: 'I'},
		&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a")}}}, &pgproto3.DataRow{Values: [][]byte{[]byte("1")}},
		&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, &pgproto3.ReadyForQuery{TxStatus: 'I'},
	} {
		var err error
		if p, err = message.Encode(p); err != nil {
			t.Fatal(err)
		}
	}
	var block, g bytes.Buffer
	e := hpack.NewEncoder(&block)
	f := http2.NewFramer(&g, nil)
	_ = f.WriteSettings()
	_ = e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: bytes.Clone(block.Bytes()), EndHeaders: true})
	_ = f.WriteData(1, false, []byte("\x00\x00\x00\x00\x02\x08\x01"))
	block.Reset()
	_ = e.WriteField(hpack.HeaderField{Name: "grpc-status", Value: "0"})
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	return map[string]string{
		"mysql": m, "pgsql": string(p), "grpc": g.String(),
		"ldap": "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00" + "\x30\x0d\x02\x01\x02\x64\x08\x04\x04dc=x\x30\x00" +
			"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
	}
}

// replay has a library speak with a recording, within the bounds of its check.
func replay(name, answer string) error {
	target := &Target{Addr: netip.MustParseAddrPort("192.0.2.1:1"), Login: "check", Passwd: "top-secret", Request: "/"}
	most := map[string]int{"ldap": maxDirectory, "grpc": grpcMost}[name]
	if most == 0 {
		most = library.MaxReply
	}
	return library.Use(newRecording(name, answer), target.server(), most, func(w *library.Conn) error { return libraries[name](target, w) })
}

func TestLibraryRecordings(t *testing.T) {
	for name, answer := range good(t) {
		if err := replay(name, answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := replay(name, answer[:len(answer)/2]); err == nil {
			t.Errorf("half an answer of %s is a good one", name)
		}
	}
}

// FuzzLibrary: no answer ends the process, takes long, or is told in more than
// one printable line.
func FuzzLibrary(f *testing.F) {
	for name, answer := range good(f) {
		f.Add(name, []byte(answer))
	}
	f.Add("pgsql", []byte("E\x00\x00\x00\x1bSFATAL\x00C28P01\x00Mno\nway\x00\x00"))
	f.Add("pgsql", []byte("R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00"))
	f.Add("mysql", []byte("\x17\x00\x00\x00\xff\x10\x04Too many connections"))
	f.Fuzz(func(t *testing.T, name string, answer []byte) {
		if libraries[name] == nil {
			return
		}
		began := time.Now()
		err := attempt(t.Context(), name, "ADDR", func() error { return replay(name, string(answer)) })
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s takes %s", name, took)
		}
		if err == nil {
			return
		}
		if text := err.Error(); len(text) > 400 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s says %q", name, text)
		}
	})
}

// FuzzDNS: a reply is good only if the library's own parser finds a record in
// it that matches.
func FuzzDNS(f *testing.F) {
	any, err := config.CompilePattern(".")
	if err != nil {
		f.Fatal(err)
	}
	q, err := newDNSQuery(&Target{Request: "/www.test", Receive: any, UDP: true})
	if err != nil {
		f.Fatal(err)
	}
	q.id = 1
	name := dnsmessage.MustNewName("www.test.")
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{ID: 1, Response: true}, Questions: []dnsmessage.Question{q.question},
		Answers: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: [4]byte{10, 1, 2, 3}},
		}},
	}
	packed, err := reply.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(packed[:40])
	f.Add(packed[:12])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, err := q.judge(t.Context(), b, true)
		if !ours && err == nil {
			t.Error("dropped without a reason")
		}
		var m dnsmessage.Message
		if ours && err == nil && (m.Unpack(b) == nil && len(m.Answers) == 0) {
			t.Errorf("%x is a good reply", b)
		}
	})
}

// FuzzRadius: nothing is a reply that was not made with the secret.
func FuzzRadius(f *testing.F) {
	user := radius{"check", "top-secret", "shared"}
	request, err := user.request(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request)
	f.Add([]byte("\x02\x01\x00\x14" + strings.Repeat("\x00", 16)))
	f.Add([]byte("\x02\x01\x00\x26" + strings.Repeat("\x00", 16) + "\x50\x12" + strings.Repeat("\x00", 16)))
	f.Add([]byte("\x02\x01\x00\x16" + strings.Repeat("\x00", 16) + "\x50\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if ours, err := user.accepted(b, request); ours || err == nil {
			t.Errorf("%x is a reply: %v", b, err)
		}
	})
}
