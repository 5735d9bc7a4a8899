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

var lines = map[string]line{
	"smtp":       "421 HOST Service not available, closing transmission channel", // RFC 5321, section 3.8
	"submission": "421 HOST Service not available, closing transmission channel",
	"ftp":        "421 Service not available, closing control connection.", // RFC 959, section 5.4
	"imap":       "* BYE [UNAVAILABLE] Service temporarily unavailable",    // RFC 3501, 7.1.5; RFC 5530
	"pop":        "-ERR [SYS/TEMP] Service temporarily unavailable",        // RFC 1939; RFC 3206
	"nntp":       "400 Service temporarily unavailable",                    // RFC 3977, section 5.1
}

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

// literal is the address literal of RFC 5321, section 4.1.3.
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
