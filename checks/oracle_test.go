//go:build oracle

package checks_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/checks"
)

// packet is one of Oracle's listener.
func packet(kind byte, body string) string {
	head := make([]byte, 8)
	binary.BigEndian.PutUint16(head, uint16(8+len(body)))
	head[4] = kind
	return string(head) + body
}

// TestOracle is the first exchange, as far as one goes without an Oracle: the
// packet that connects, and what a listener may answer to it.
func TestOracle(t *testing.T) {
	const (
		accept, refuse, redirect = 2, 4, 5
		refusal                  = "\x22\x00\x00\x44(DESCRIPTION=(ERR=12505)(VSNNUM=1)(ERROR_STACK=(ERROR=(CODE=12505))))"
	)
	refusedBy, elsewhere := packet(refuse, refusal), "(ADDRESS=(PROTOCOL=tcp)(HOST=192.0.2.1)(PORT=1521))"
	for name, tt := range map[string]struct {
		answer string
		kind   checks.Kind
		words  string
	}{
		"refused": {refusedBy, checks.Status, "oracle ADDR: ORA-12505"},
		"elsewhere": {
			packet(redirect, string([]byte{0, byte(len(elsewhere))})+elsewhere), checks.Status,
			"oracle ADDR: the listener names another address than its own",
		},
		"zeros":  {strings.Repeat("\x00", 100), checks.Protocol, "oracle ADDR: a packet shorter than its header: is this a listener of Oracle?"},
		"huge":   {packet(accept, "\x01\x3c"+strings.Repeat("\x00", 40)) + strings.Repeat("\x7f", 100), checks.Protocol, ""},
		"silent": {"", checks.Timeout, "oracle ADDR: timed out after 200ms while logging in"},
		"SSH":    {"SSH-2.0-OpenSSH_9.2p1\r\n", checks.Timeout, "oracle ADDR: timed out after 200ms while logging in"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan string, 1)
			addr := server(t, "127.0.0.1", func(ctx context.Context, conn *net.TCPConn) {
				buf := make([]byte, 4096)
				n, _ := io.ReadAtLeast(conn, buf, 100)
				asked <- string(buf[:n])
				_, _ = io.WriteString(conn, tt.answer)
				<-ctx.Done()
			})
			target := libraryTarget(addr)
			target.Database = "CLUSTER"
			err := punctual(t, "oracle", target)
			fit(t, "oracle", err)
			if tt.words != "" {
				verdict(t, err, tt.kind, tt.words, addr)
			}
			if got := checks.KindOf(err); got != tt.kind {
				t.Errorf("%v is %s, want %s", err, got, tt.kind)
			}
			if got := <-asked; got[4] != 1 || !strings.Contains(got, "SID=CLUSTER") || strings.Contains(got, target.Passwd) {
				t.Errorf("asked by %q", got)
			}
		})
	}
	addr := refused(t)
	verdict(t, run(t, "oracle", long, libraryTarget(addr)), checks.Refused, "oracle ADDR: connection refused", addr)
}
