package checks

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
)

// maxHeader bounds the status line and headers of an answer, in bytes.
const maxHeader = 64 << 10

// An answer is what came back for one page.
type answer struct {
	status   int
	location string // where a redirect leads
	body     []byte // of a 2xx answer
	cut      error  // why the rest of the body is missing
	endless  bool   // the body goes on
}

func (a *answer) redirects() bool {
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return a.location != ""
	}
	return false
}

// ask has the real server asked for p, on a connection of its own. It is done
// by hand and not by an http.Transport, which has two goroutines for each
// connection and an end that cannot be waited for.
func (v *visit) ask(ctx context.Context, p page) (*answer, error) {
	l, err := v.target.dial(ctx, "tcp", v.door(p))
	if err != nil {
		return nil, err
	}
	conn := net.Conn(l)
	if p.scheme == "https" && !v.proxy {
		conn = tls.Client(l, tlsConfig(p))
	}
	defer conn.Close()
	if t, ok := conn.(*tls.Conn); ok {
		if err := t.Handshake(); err != nil { // ends with the link
			return nil, &failure{err: err, when: "in the TLS handshake"}
		}
	}
	if _, err := conn.Write(v.request(p)); err != nil {
		return nil, &failure{err: err, when: "while sending the request"}
	}
	return v.read(conn)
}

// request writes the head of a request (RFC 9112 section 3), which is all of it.
func (v *visit) request(p page) []byte {
	method, target := http.MethodGet, p.target
	if v.head() {
		method = http.MethodHead
	}
	if v.proxy {
		target = p.String()
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: shunt\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		method, target, p.host)
}

// read reads an answer up to its bounds.
func (v *visit) read(conn io.Reader) (*answer, error) {
	source := &source{Reader: conn}
	bounded := &io.LimitedReader{R: source, N: maxHeader}
	in := bufio.NewReader(bounded)
	resp, err := v.header(in)
	if err != nil && bounded.N <= 0 {
		return nil, fmt.Errorf("headers of more than %d bytes", maxHeader)
	}
	if err != nil {
		return nil, &failure{err: cmp.Or(source.err, err), when: "while waiting for the answer"}
	}
	// The body is not closed: that would read what is left of it, and it holds
	// nothing but the connection.
	a := &answer{status: resp.StatusCode, location: resp.Header.Get("Location")}
	if a.status/100 == 2 {
		bounded.N = MaxAnswer + maxHeader // the body's own bound comes first, even in chunks
		a.readBody(resp.Body, v.target.Receive != nil)
	}
	return a, nil
}

// A source remembers why it ended: a status line that breaks off is called
// malformed otherwise.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (n int, err error) {
	n, err = s.Reader.Read(p)
	s.err = err
	return n, err
}

// header reads up to the first answer that is final (RFC 9110 section 15.2).
func (v *visit) header(in *bufio.Reader) (*http.Response, error) {
	asked := &http.Request{Method: http.MethodGet}
	if v.head() {
		asked.Method = http.MethodHead
	}
	for {
		resp, err := http.ReadResponse(in, asked)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode/100 != 1 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// readBody reads to the end even where nothing is to be kept: a connection
// closed before is an error in the server's log.
func (a *answer) readBody(body io.Reader, keep bool) {
	body = io.LimitReader(body, MaxAnswer+1)
	if !keep {
		_, a.cut = io.Copy(io.Discard, body)
		return
	}
	a.body, a.cut = io.ReadAll(body)
	if len(a.body) > MaxAnswer {
		a.body, a.endless = a.body[:MaxAnswer], true
	}
}

// tlsConfig has every version and cipher that Go can speak.
func tlsConfig(p page) *tls.Config {
	return &tls.Config{
		ServerName:         p.name(), // not sent if it is an address
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       everyCipher,
	}
}

var everyCipher = func() (ids []uint16) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, s.ID)
	}
	return ids
}()
