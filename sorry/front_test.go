package sorry_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/leak"
	"github.com/shunt-lb/shunt/sorry"
)

func TestMain(m *testing.M) { leak.Main(m) }

// generous is the time limit for events that must happen, however slow the
// machine.
const generous = time.Minute

const service = "tcp 192.0.2.1:80"

// newServer returns a server that answers for service, closed with the test.
func newServer(t *testing.T, s *sorry.Server, site sorry.Site) *sorry.Server {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := s.Set(service, site); err != nil {
		t.Fatal(err)
	}
	return s
}

// front accepts on loopback and hands connections to s, as a dataplane does.
func front(t *testing.T, s *sorry.Server, network string) string {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "tcp6" {
		address = "[::1]:0"
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.ServeConn(service, c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// dial connects and sets a generous deadline for the whole exchange.
func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(generous)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// exchange sends request and reads everything up to the end.
func exchange(t *testing.T, address, request string) (string, error) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", err // a reset may be as quick as this
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(generous)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

// connectOnly connects, sends nothing and reads up to the end.
func connectOnly(t *testing.T, address string) error {
	t.Helper()
	_, err := exchange(t, address, "")
	return err
}

// parse reads a response to a request with the given method.
func parse(t *testing.T, answer, method string) (*http.Response, string) {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v in %q", err, answer)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

func isReset(err error) bool { return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) }
