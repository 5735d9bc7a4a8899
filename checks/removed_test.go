package checks_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// TestRemovedHoldsNothing: a check that is removed in the middle of an answer, as by
// a reload, gives back what it held of it. All checks together may hold a certain
// amount only.
func TestRemovedHoldsNothing(t *testing.T) {
	addr := server(t, "127.0.0.1", func(ctx context.Context, c *net.TCPConn) {
		_, _ = io.WriteString(c, head200+"Content-Length: 50\r\n\r\nhello")
		<-ctx.Done()
	})
	l, err := checks.NewLoop(func(v any, _ []byte) { t.Error(v) })
	if err != nil {
		t.Fatal(err)
	}
	r, ok := l.Add("http", subject{&checks.Target{Addr: addr, Receive: receive("never")}, func(err error) { t.Errorf("a result: %v", err) }})
	if !ok {
		t.Fatal("a loop does not make http")
	}
	r.Start(long)
	before := session.Held()
	end, held := time.Now().Add(long), int64(0)
	l.Run(func() (time.Duration, bool) {
		if held = session.Held() - before; held > 0 {
			r.Remove()
		}
		return time.Millisecond, held == 0 && time.Now().Before(end)
	})
	if held == 0 {
		t.Fatal("nothing of the answer was held")
	}
	if held = session.Held() - before; held != 0 {
		t.Errorf("%d bytes are held by no check", held)
	}
}
