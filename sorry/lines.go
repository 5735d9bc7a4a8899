package sorry

import (
	"io"
	"net"
	"strings"
	"time"
)

// A line is what a server of its protocol says in place of a greeting when it
// cannot serve. HOST stands for the address the client has connected to.
type line string

// say sends the line and lets the client end the connection.
func (l line) say(c *client) {
	c.sv.lines.Add(1)
	text := strings.Replace(string(l), "HOST", literal(c.LocalAddr()), 1)
	_ = c.SetWriteDeadline(time.Now().Add(c.s.pace.write)) // a closed connection shows below
	if _, err := io.WriteString(c, text+"\r\n"); err != nil {
		c.s.log.Debug("sorry line not taken", "remote", c.RemoteAddr(), "err", err)
		return
	}
	c.finish()
}

// literal returns the address literal of RFC 5321, section 4.1.3.
func literal(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return "localhost"
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}
