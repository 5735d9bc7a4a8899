package checks

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// A readConn is a connection from which there is something to read.
type readConn struct {
	net.Conn
	io.Reader
}

func (c readConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }

// FuzzFTPReply reads replies in pieces and at once, and looks for a port in
// each.
func FuzzFTPReply(f *testing.F) {
	for _, s := range []string{
		"220 a\r\n", "220-a\n 220 b\n221 c\n220 d\n", "2200\n", "220", "", "\x1b\n", "220-\n", "227 (1,2,3,4,5,6)\n",
		"229 go (|||65535|)\n", "229 (!!!1!)\n", "227 1,2,3,4,256,1\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		all := func(r io.Reader) (replies string) {
			c := &ftp{conn: readConn{Reader: r}, buf: make([]byte, 100)}
			for {
				r, err := c.read("command", "")
				if err != nil {
					return replies
				}
				if r.wants(2, Status, "") == nil && (r.code < 200 || r.code > 299) {
					t.Errorf("code %d is 2xx", r.code)
				}
				replies += fmt.Sprintf("%d %q %d\n", r.code, r.line, dataPort(r.line))
			}
		}
		whole, single := all(bytes.NewReader(answer)), all(iotest.OneByteReader(bytes.NewReader(answer)))
		if whole != single {
			t.Errorf("%q at once:\n%s\nbyte by byte:\n%s", answer, whole, single)
		}
	})
}

func TestDataPort(t *testing.T) {
	for line, want := range map[string]uint16{
		"229 Entering Extended Passive Mode (|||6446|)": 6446,
		"229 (!!!1!)":     1,
		"229 (|!|1|)":     0,
		"229 (|||65536|)": 0,
		"227 Entering Passive Mode (10,255,255,1,141,171).": 141<<8 | 171,
		"227 =127,0,0,1,0,21":                               21,
		"227 go (127,0,0,1,256,1)":                          0,
		"227 go (127,0,0,1)":                                0,
		"227 go (127,0,0,1,99999999999999999999,1)":         0,
		"200 fine": 0,
	} {
		if got := dataPort([]byte(line)); got != want {
			t.Errorf("%q: %d, want %d", line, got, want)
		}
	}
}
