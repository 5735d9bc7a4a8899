package alert

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"os/user"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// A Mail is one alert.
type Mail struct {
	// To are the recipients: addresses, with or without a name, or the names
	// of local mailboxes such as root.
	To []string
	// From is the sender; empty for USER@HOST.
	From string
	// Subject is what happened, as in the log.
	Subject string
	// Status is the state of the daemon: starting, running, stopping or
	// reloading.
	Status string
	// Service and Comment are the directives servicename and comment of the
	// virtual service; empty if not set.
	Service, Comment string
	// Reason is why a real server's check failed, in one word; empty if the
	// mail is about something else.
	Reason string
	// Held is how many alerts to the same recipients were held back since the
	// last one that they got.
	Held int
	// Relay is the host that takes the mail, with or without a port (25);
	// empty for the local mail program.
	Relay string
}

// title is the subject line.
func (m Mail) title() string {
	if m.Service == "" {
		return oneLine(m.Subject)
	}
	return oneLine("[" + m.Service + "] " + m.Subject)
}

// body has the layout that mail filters know.
func (m Mail) body(host string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ldirectord host: %s\n", oneLine(host))
	fmt.Fprintf(&b, "Log-Message: %s\n", m.title())
	fmt.Fprintf(&b, "Daemon-Status: %s\n\n", oneLine(m.Status))
	if m.Service != "" {
		fmt.Fprintf(&b, "Service name: %s\n", oneLine(m.Service))
	}
	if m.Comment != "" {
		fmt.Fprintf(&b, "Comment: %s\n", oneLine(m.Comment))
	}
	if m.Reason != "" {
		fmt.Fprintf(&b, "Reason: %s\n", oneLine(m.Reason))
	}
	if m.Held > 0 {
		fmt.Fprintf(&b, "Held back: %d alerts before this one (alertlimit)\n", m.Held)
	}
	return b.String()
}

// oneLine makes one line of s, so that nobody can start a header or a line of
// the body with a value.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// A letter is a mail ready to go.
type letter struct {
	msg    *gomail.Msg
	sender string   // bare address
	to     []string // bare addresses
	relay  string
	title  string
	dial   dialer
}

// A dialer makes a connection to a relay.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// compose makes a letter of m. What is no address is returned as bad: a sender
// like that is replaced by USER@HOST, a recipient left out.
func compose(m Mail, me identity) (l letter, bad []string, err error) {
	from, err := parseFrom(m.From, me)
	if err != nil {
		bad = append(bad, m.From)
		from = me.address()
	}
	l = letter{relay: m.Relay, title: m.title(), sender: from.Address}
	var header []string
	for _, r := range m.To {
		bare, shown, ok := recipient(r)
		if !ok {
			bad = append(bad, r)
			continue
		}
		l.to, header = append(l.to, bare), append(header, shown)
	}
	if len(l.to) == 0 {
		return l, bad, errors.New("none of the recipients is an address")
	}
	l.msg = message(from, header, l.title, m.body(me.host))
	return l, bad, nil
}

func message(from *mail.Address, to []string, title, body string) *gomail.Msg {
	encoding := gomail.EncodingQP
	if plain(body) {
		// Readable as it is, also to simple filters. The library's US-ASCII
		// would say 7bit and encode all the same (go-mail v0.8.1).
		encoding = gomail.NoEncoding
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(encoding))
	msg.FromMailAddress(from)
	// The library knows no address without a domain.
	msg.SetGenHeaderPreformatted(gomail.Header(gomail.HeaderTo), strings.Join(to, ",\r\n "))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no answers from robots
	msg.Subject(title)
	msg.SetDate()
	msg.SetMessageID()
	msg.SetBodyString(gomail.TypeTextPlain, body)
	return msg
}

// plain reports whether body can travel as it is: RFC 5322, section 2.1.1.
func plain(body string) bool {
	for line := range strings.Lines(body) {
		if len(line) > 900 || strings.ContainsFunc(line, func(r rune) bool { return r >= 0x7f }) {
			return false
		}
	}
	return true
}

// recipient returns the bare address in s and how to show it.
func recipient(s string) (bare, shown string, ok bool) {
	s = strings.TrimSpace(s)
	if localName(s) {
		return s, s, true
	}
	a, err := parse(s)
	if err != nil {
		return "", "", false
	}
	return a.Address, a.String(), true
}

// parse accepts what can stand between angle brackets in SMTP as it is.
func parse(s string) (*mail.Address, error) {
	a, err := mail.ParseAddress(s)
	if err != nil {
		return nil, err
	}
	if oneLine(a.Address) != a.Address || strings.ContainsAny(a.Address, "<> ") {
		return nil, errors.New("unusual characters in the address")
	}
	return a, nil
}

// localName reports whether s can be the name of a local mailbox.
func localName(s string) bool {
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-", r) {
			return false
		}
	}
	return s != "" && s[0] != '-'
}

// An identity is who sends when nobody else is named.
type identity struct{ user, host string }

func whoami() identity {
	me := identity{user: "root", host: os.Getenv("HOSTNAME")}
	if u, err := user.Current(); err == nil && localName(u.Username) {
		me.user = u.Username
	}
	if me.host == "" {
		me.host, _ = os.Hostname() // the kernel always has one
	}
	if !localName(me.host) {
		me.host = "localhost"
	}
	return me
}

func (me identity) address() *mail.Address {
	return &mail.Address{Address: me.user + "@" + me.host}
}

func parseFrom(from string, me identity) (*mail.Address, error) {
	switch from = strings.TrimSpace(from); {
	case from == "":
		return me.address(), nil
	case localName(from):
		return &mail.Address{Address: from + "@" + me.host}, nil
	}
	return parse(from)
}
