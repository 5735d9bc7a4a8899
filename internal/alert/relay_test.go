package alert_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A relay is a small SMTP server.
type relay struct {
	// reply answers a command of session n in place of the usual answer;
	// empty for the usual one, "silence" for none at all.
	reply func(n int, command string) string
	tls   *tls.Config // offered if set

	l     net.Listener
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
	log   []string // commands, of all sessions
	mails []string
}

func startRelay(t *testing.T, r *relay) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.l = l
	r.wg.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

func (r *relay) addr() string { return r.l.Addr().String() }

func (r *relay) close() {
	_ = r.l.Close()
	r.mu.Lock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *relay) accept() {
	for n := 0; ; n++ {
		c, err := r.l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.conns = append(r.conns, c)
		r.mu.Unlock()
		r.wg.Go(func() {
			r.session(n, c)
			_ = c.Close()
		})
	}
}

func (r *relay) session(n int, c net.Conn) {
	in := bufio.NewReader(c)
	if !r.say(n, c, "greeting", "220 relay ESMTP") {
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		command := strings.TrimSpace(line)
		r.note(command)
		verb, _, _ := strings.Cut(command, " ")
		usual := map[string]string{
			"EHLO": "250-relay\r\n250 8BITMIME", "HELO": "250 relay", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on",
			"QUIT": "221 bye", "STARTTLS": "220 go on",
		}[verb]
		if _, secure := c.(*tls.Conn); verb == "EHLO" && r.tls != nil && !secure {
			usual = "250-relay\r\n250-STARTTLS\r\n250 8BITMIME"
		}
		if !r.say(n, c, command, usual) || verb == "QUIT" {
			return
		}
		switch verb {
		case "DATA":
			if !r.data(n, c, in) {
				return
			}
		case "STARTTLS":
			c = tls.Server(c, r.tls)
			in = bufio.NewReader(c)
		}
	}
}

func (r *relay) say(n int, c net.Conn, command, usual string) bool {
	if r.reply != nil {
		if special := r.reply(n, command); special != "" {
			usual = special
		}
	}
	if usual == "silence" {
		_, _ = io.Copy(io.Discard, c) // until the other side gives up
		return false
	}
	_, err := fmt.Fprintf(c, "%s\r\n", usual)
	return err == nil
}

func (r *relay) data(n int, c net.Conn, in *bufio.Reader) bool {
	var mail strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		mail.WriteString(strings.TrimPrefix(line, "."))
	}
	if r.reply != nil && r.reply(n, "end of data") != "" {
		return r.say(n, c, "end of data", "")
	}
	if !r.say(n, c, "end of data", "250 queued") {
		return false
	}
	r.mu.Lock()
	r.mails = append(r.mails, mail.String())
	r.mu.Unlock()
	return true
}

func (r *relay) note(command string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, command)
}

// commands returns those that begin with verb.
func (r *relay) commands(verb string) (found []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.log {
		if strings.HasPrefix(c, verb) {
			found = append(found, c)
		}
	}
	return found
}

// sessions is how many connections were made.
func (r *relay) sessions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

func (r *relay) received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.mails...)
}

// selfSigned is a certificate nobody trusts, for another name.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"other.example"}, NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
