package daemon

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/process"
)

// nameServer is a web server that says its name to everybody who asks.
func nameServer(t *testing.T, name string) string {
	t.Helper()
	return server(t, func(c net.Conn) {
		if _, err := bufio.NewReader(c).ReadString('\n'); err == nil { // a check asks for nothing
			_, _ = io.WriteString(c, name)
		}
	})
}

// ask is what a client of addr gets.
func ask(addr string) (string, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET / HTTP/1.0\n\n"); err != nil {
		return "", err
	}
	text, err := io.ReadAll(c)
	return string(text), err
}

// askAgain asks addr again and again until it has had n answers, and returns them.
// Before the first one it may be refused; afterwards, and in any other way,
// nothing may go wrong.
func askAgain(addr string, n int) (answers []string, err error) {
	for end := time.Now().Add(60 * time.Second); len(answers) < n; {
		text, err := ask(addr)
		switch {
		case err == nil:
			answers = append(answers, text)
		case !errors.Is(err, unix.ECONNREFUSED) || len(answers) > 0 || time.Now().After(end):
			return answers, err
		}
	}
	return answers, nil
}

const twoServers = `
virtual = %s
	real = %s masq
	real = %s masq
	fallback = sorry
	service = http
	checktype = connect
	scheduler = rr
`

// Clients that come from before the start on are refused until the service
// begins, and then have both servers in turn: none gets the sorry page, a reset,
// or has one server for itself. The same for a service that a reload brings.
func TestNoClientSeesTheStart(t *testing.T) {
	one, two := nameServer(t, "rs1"), nameServer(t, "rs2")
	for range 5 {
		first, added := process.FreeAddr(t).String(), process.FreeAddr(t).String()
		var clients sync.WaitGroup
		meet := func(addr string) {
			clients.Go(func() {
				answers, err := askAgain(addr, 20)
				if err != nil {
					t.Errorf("%s: after %d answers: %v", addr, len(answers), err)
				}
				for i := 1; i < len(answers); i++ {
					if answers[i]+answers[i-1] != "rs1rs2" && answers[i]+answers[i-1] != "rs2rs1" {
						t.Errorf("%s: answers %q", addr, answers)
						break
					}
				}
			})
		}
		meet(first)
		b := set(t, "checkinterval = 10\n"+fmt.Sprintf(twoServers, first, one, two))
		clients.Wait()
		meet(added)
		b.write("checkinterval = 10\n" + fmt.Sprintf(twoServers, first, one, two) + fmt.Sprintf(twoServers, added, one, two))
		if err := b.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		clients.Wait()
		if err := b.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// With the port of a service taken by somebody else shunt is not ready: for its
// service manager, for whoever asks, and no server is called up. The others are
// served meanwhile. It becomes ready by itself.
func TestNotReadyWhileAPortIsTaken(t *testing.T) {
	hear := notified(t)
	ln, err := net.Listen("tcp", process.FreeAddr(t).String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().String()
	b := set(t, service+fmt.Sprintf("virtual = %s\n\treal = %s masq\n\tchecktype = connect\n", taken, nameServer(t, "rs1")))
	b.connect().Close()
	hear("STATUS=Not ready: not served as wanted: 1 of 2 virtual services; tcp "+taken, "READY=1")
	if code, text := readyz(t, b); code != http.StatusServiceUnavailable || !strings.Contains(text, "address already in use") {
		t.Errorf("/readyz: %d %s", code, text)
	}
	s, err := b.Status(t.Context())
	if err != nil || s.Ready || s.Services[0].Servers[0].State != "up" || s.Services[1].Servers[0].State == "up" {
		t.Errorf("status: %+v, %v", s.Services, err)
	}
	ln.Close()
	hear("READY=1", "")
	if code, text := readyz(t, b); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, text)
	}
	if text, err := ask(taken); err != nil || text != "rs1" {
		t.Errorf("a client gets %q, %v", text, err)
	}
}

func readyz(t *testing.T, b *fixture) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + b.Admin() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode, string(text)
}
