package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/proxy"
)

// heldBack is for how long the kernel holds an acknowledgement back at least.
const heldBack = 40 * time.Millisecond

// TestAnswersInPieces: servers and clients with Nagle's algorithm send in pieces,
// each with one write. On a new connection nobody waits for an acknowledgement
// that is held back; and on an older one whose parties have been silent for a
// while.
func TestAnswersInPieces(t *testing.T) {
	t.Parallel()
	pieces := func(n int) string { return strings.Repeat("piece\n", n) }
	for _, tt := range []struct {
		name      string
		greeting  int // pieces from the server before the first request
		ask, tell int // pieces of each request, and of the answer
		requests  int
		pause     time.Duration // between requests
	}{
		{name: "answer in two", ask: 1, tell: 2, requests: 1},
		{name: "answer in three", ask: 1, tell: 3, requests: 1},
		{name: "request in two", ask: 2, tell: 1, requests: 1},
		{name: "request in three", ask: 3, tell: 1, requests: 1},
		{name: "both in two", ask: 2, tell: 2, requests: 1},
		{name: "greeting in two", greeting: 2},
		{name: "greeting in three", greeting: 3},
		{name: "second request", ask: 1, tell: 2, requests: 2, pause: 2 * heldBack},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			exchange := func(c *net.TCPConn, r *bufio.Reader, say, hear int) error {
				for range say {
					if _, err := io.WriteString(c, pieces(1)); err != nil {
						return err
					}
					time.Sleep(time.Millisecond) // a segment of its own
				}
				for range hear {
					if _, err := r.ReadString('\n'); err != nil {
						return err
					}
				}
				return nil
			}
			d := newPlane(t, proxy.Options{Workers: 1})
			v := tcpService(t, tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
				_ = c.SetNoDelay(false)
				r := bufio.NewReader(c)
				_ = exchange(c, r, tt.greeting, 0)
				for range tt.requests {
					if exchange(c, r, 0, tt.ask) != nil || exchange(c, r, tt.tell, 0) != nil {
						return
					}
				}
				_, _ = io.Copy(io.Discard, r)
			}))
			apply(t, d, v)
			const tries = 9
			prompt := 0
			for range tries {
				c := dial(t, v)
				_ = c.SetNoDelay(false)
				r := bufio.NewReader(c)
				slowest := time.Duration(0)
				timed := func(say, hear int) {
					begin := time.Now()
					if err := exchange(c, r, say, hear); err != nil {
						t.Fatal(err)
					}
					slowest = max(slowest, time.Since(begin))
				}
				timed(0, tt.greeting)
				for n := range tt.requests {
					if n > 0 {
						time.Sleep(tt.pause)
					}
					timed(tt.ask, tt.tell)
				}
				_ = c.Close()
				if slowest < heldBack {
					prompt++
				}
			}
			// A busy machine is slow now and then, a delayed acknowledgement always.
			if prompt < tries/3 {
				t.Errorf("%d of %d exchanges took less than %v", prompt, tries, heldBack)
			}
		})
	}
}
