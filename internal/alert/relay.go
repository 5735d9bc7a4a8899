package alert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// relayAddr splits what the directive smtp says.
func relayAddr(relay string) (host, address string) {
	host, port, err := net.SplitHostPort(relay)
	if err != nil {
		host, port = strings.Trim(relay, "[]"), "25"
	}
	return host, net.JoinHostPort(host, port)
}

// errTLS marks a relay that offers TLS and cannot do it.
var errTLS = errors.New("TLS")

// A trouble is what is left after an attempt: who may get the letter in
// another one and why not in this one, and why others never will.
type trouble struct {
	again      []string
	soft, hard error
}

// add notes that to did not get the letter. What a relay says with a code from
// 500 on is final (RFC 5321, section 4.2.1).
func (t *trouble) add(to []string, err error) {
	err = brief(err)
	var said *textproto.Error
	if errors.As(err, &said) && said.Code >= 500 {
		t.hard = both(t.hard, err)
		return
	}
	t.soft = both(t.soft, err)
	t.again = append(t.again, to...)
}

// both makes one line of two errors, each of which may be nil. Where the line
// is long already, the second is left out.
func both(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil || len(a.Error()) > maxWords:
		return a
	}
	return fmt.Errorf("%w; %w", a, b)
}

// viaRelay gives l to its relay.
func (l letter) viaRelay(ctx context.Context, helo string) (t trouble) {
	host, address := relayAddr(l.relay)
	c, hangUp, err := l.connect(ctx, host, address, helo, true)
	if errors.Is(err, errTLS) {
		c, hangUp, err = l.connect(ctx, host, address, helo, false)
	}
	if err != nil {
		t.add(l.to, fmt.Errorf("relay %s: %w", address, both(ctx.Err(), err)))
		return t
	}
	defer hangUp()
	t = l.hand(c)
	if t.soft != nil {
		t.soft = fmt.Errorf("relay %s: %w", address, both(ctx.Err(), t.soft))
	}
	if t.hard != nil {
		t.hard = fmt.Errorf("relay %s: %w", address, t.hard)
	}
	return t
}

// connect greets the relay, over TLS if it can and secure is set. Nothing is
// verified: a mail in the clear would be the alternative. When ctx ends, so
// does the connection.
func (l letter) connect(ctx context.Context, host, address, helo string, secure bool) (*smtp.Client, func(), error) {
	conn, err := l.dial(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	hangUp := func() {
		stop()
		_ = conn.Close() // QUIT has closed it in the best case
	}
	c, err := greet(conn, len(l.to), host, helo, secure)
	if err != nil {
		hangUp()
		return nil, nil, err
	}
	return c, hangUp, nil
}

// greet says hello to a relay that is to take a mail for so many recipients.
func greet(conn net.Conn, recipients int, host, helo string, secure bool) (*smtp.Client, error) {
	c, err := hello(spoken(conn, recipients), host, helo)
	if err != nil {
		return nil, err
	}
	if offered, _ := c.Extension("STARTTLS"); !offered || !secure {
		return c, nil
	}
	over, err := startTLS(c, conn, host)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTLS, brief(err))
	}
	// Over TLS the relay begins anew, but for its greeting (RFC 3207, section 4.2).
	anew := spoken(over, recipients)
	anew.first = "220 TLS\r\n"
	return hello(anew, host, helo)
}

func hello(conn net.Conn, host, helo string) (*smtp.Client, error) {
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, fmt.Errorf("greeting: %w", brief(err))
	}
	if err := c.Hello(helo); err != nil {
		return nil, fmt.Errorf("EHLO: %w", brief(err))
	}
	return c, nil
}

// startTLS asks for TLS and agrees about it. What was read in the clear behind
// the answer is lost.
func startTLS(c *smtp.Client, conn net.Conn, host string) (net.Conn, error) {
	_ = conn.SetDeadline(time.Now().Add(tlsPatience)) // a connection that is closed says so by itself
	if err := c.Text.PrintfLine("STARTTLS"); err != nil {
		return nil, err
	}
	if _, _, err := c.Text.ReadResponse(220); err != nil {
		return nil, err
	}
	over := tls.Client(&limited{conn, maxTLS}, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err := over.Handshake(); err != nil {
		return nil, err
	}
	return over, conn.SetDeadline(time.Time{})
}

// hand gives the letter to c, for as many recipients as it accepts.
func (l letter) hand(c *smtp.Client) (t trouble) {
	if err := c.Mail("<" + l.sender + ">"); err != nil {
		t.add(l.to, fmt.Errorf("sender %s: %w", l.sender, err))
		return t
	}
	var accepted []string
	for _, to := range l.to {
		if err := c.Rcpt("<" + to + ">"); err != nil {
			t.add([]string{to}, fmt.Errorf("recipient %s: %w", to, err))
		} else {
			accepted = append(accepted, to)
		}
	}
	if len(accepted) == 0 {
		return t
	}
	if err := l.write(c); err != nil {
		t.add(accepted, err)
		return t
	}
	_ = c.Quit() // the mail is theirs by now
	return t
}

func (l letter) write(c *smtp.Client) error {
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	if _, err := l.msg.WriteTo(w); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	return nil
}
