package checks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
)

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
			return nil, &failure{err: err, when: "in the TLS handshake", kind: TLS}
		}
	}
	if _, err := conn.Write(v.request(p)); err != nil {
		return nil, &failure{err: err, when: "while sending the request"}
	}
	a, err := v.read(ctx, conn)
	if f, ok := errors.AsType[*failure](err); ok && conn != net.Conn(l) {
		f.kind = TLS // as an alert about a missing client certificate, which comes after the handshake
	}
	return a, err
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

// tlsConfig has every version and cipher that Go can speak. That leaves out
// DHE, and AES256-SHA256 with CBC, so that a server that offers nothing else
// cannot be checked by https.
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
