package sorry

import (
	"bytes"
	"net"
	"strings"
	"time"
)

// guess waits for the client's first bytes and answers if they look like HTTP.
func guess(c *client) {
	_ = c.SetReadDeadline(time.Now().Add(c.s.pace.sniff))
	head := make([]byte, 0, headEnough)
	for len(head) < cap(head) {
		n, err := c.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
		verdict := looksLikeHTTP(head)
		if verdict == yes {
			c.Conn = &unread{Conn: c.Conn, head: head}
			web(c)
			return
		}
		if err != nil || verdict == no {
			break
		}
	}
	hangUp(c)
}

// An unread is a connection some bytes of which are still to be read.
type unread struct {
	net.Conn
	head []byte
}

func (u *unread) Read(b []byte) (int, error) {
	if len(u.head) == 0 {
		return u.Conn.Read(b)
	}
	n := copy(b, u.head)
	u.head = u.head[n:]
	return n, nil
}

// CloseWrite ends the sending side.
func (u *unread) CloseWrite() error {
	if w, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return u.Close()
}

// headEnough is how many bytes decide whether a client speaks HTTP.
const headEnough = 32

type verdict int

const (
	no verdict = iota
	maybe
	yes
)

// looksLikeHTTP looks at the start of what a client sends: a method, a blank,
// and the start of a request target as RFC 9112, section 3.2, has it.
func looksLikeHTTP(head []byte) verdict {
	method, target, ok := bytes.Cut(head, []byte(" "))
	for _, b := range method {
		if (b < 'A' || b > 'Z') && b != '-' {
			return no
		}
	}
	switch {
	case !ok && len(method) <= 16:
		return maybe
	case !ok, len(method) == 0, len(method) > 16:
		return no
	case string(method) == "CONNECT":
		return yes
	}
	return startsTarget(target)
}

func startsTarget(target []byte) verdict {
	for _, form := range []string{"/", "*", "http://", "https://"} {
		if bytes.HasPrefix(target, []byte(form)) {
			return yes
		}
		if strings.HasPrefix(form, string(target)) {
			return maybe
		}
	}
	return no
}
