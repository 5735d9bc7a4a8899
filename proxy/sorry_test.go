package proxy_test

import (
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// sorryAnswer answers with the name of the service.
type sorryAnswer struct{}

func (sorryAnswer) ServeConn(service string, c net.Conn) {
	defer c.Close()
	fmt.Fprintf(c, "sorry %s", service)
	_, _ = io.Copy(io.Discard, c)
}

func (sorryAnswer) Answer(service string, datagram []byte) []byte {
	if len(datagram) == 0 {
		return nil
	}
	return fmt.Appendf(nil, "sorry %s for %s", service, datagram)
}

func TestSorry(t *testing.T) {
	d := newPlane(t, proxy.Options{Responder: sorryAnswer{}})
	v := tcpService(t, dead(t))
	v.RealServers = append(v.RealServers, dataplane.RealServer{Weight: 1, Sorry: true})
	apply(t, d, v)
	wantAnswer(t, v, "sorry "+v.ID.String())
	wait.Until(t, "the connection is over", func() bool { return active(t, d) == 0 })
	if c := status(t, d).Servers[1].Counters; c.Connections != 1 {
		t.Errorf("sorry server has %+v, want one connection", c)
	}
	v.RealServers[0].Addr = tcpServer(t, "127.0.0.1", says("hello"))
	apply(t, d, v)
	wantAnswer(t, v, "hello")
}

// A sorry server with an address is only stood in for.
func TestSorryAddress(t *testing.T) {
	d := newPlane(t, proxy.Options{Responder: sorryAnswer{}})
	v := tcpService(t, dead(t))
	v.RealServers[0].Sorry = true
	apply(t, d, v)
	wantAnswer(t, v, "sorry "+v.ID.String())
	v.RealServers[0].Addr = tcpServer(t, "127.0.0.1", says("my own page"))
	apply(t, d, v)
	wantAnswer(t, v, "my own page")
}

func TestSorryWithoutResponder(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	v := tcpService(t)
	v.RealServers = []dataplane.RealServer{{Weight: 1, Sorry: true}}
	apply(t, d, v)
	wantTurnedAway(t, v)
	if c := status(t, d).Counters; c.Refused != 1 || active(t, d) != 0 {
		t.Errorf("totals %+v, want one refused", c)
	}
}

// Close ends what the sorry server is busy with.
func TestSorryClosed(t *testing.T) {
	d := newPlane(t, proxy.Options{Responder: sorryAnswer{}})
	v := tcpService(t)
	v.RealServers = []dataplane.RealServer{{Weight: 1, Sorry: true}}
	apply(t, d, v)
	c := dial(t, v)
	_, _ = io.ReadFull(c, make([]byte, 5))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSorryDatagrams(t *testing.T) {
	d := newPlane(t, proxy.Options{Responder: sorryAnswer{}})
	v := udpService(t)
	v.RealServers = []dataplane.RealServer{{Weight: 1, Sorry: true}}
	apply(t, d, v)
	c := dialUDP(t, v)
	send(t, c, "")
	send(t, c, "question")
	if got, want := receive(t, c), "sorry "+v.ID.String()+" for question"; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
	want := dataplane.Counters{Connections: 2, InPackets: 2, InBytes: 8, OutPackets: 1, OutBytes: uint64(len("sorry  for question") + len(v.ID.String()))}
	wait.Until(t, "it is counted", func() bool { return status(t, d).Counters == want })
}

// A service that is its own fallback is answered by the sorry server, and
// does not come back to itself.
func TestSorryAtTheService(t *testing.T) {
	d := newPlane(t, proxy.Options{Responder: sorryAnswer{}})
	v := tcpService(t, dead(t))
	v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: v.ID.Addr, Weight: 1, Sorry: true})
	apply(t, d, v)
	wantAnswer(t, v, "sorry "+v.ID.String())
	wait.Until(t, "the connection is over", func() bool { return active(t, d) == 0 })
	if c := status(t, d).Counters; c.Connections != 1 {
		t.Errorf("totals %+v, want one connection", c)
	}
	u := udpService(t)
	u.RealServers = []dataplane.RealServer{{Addr: u.ID.Addr, Weight: 1, Sorry: true}}
	apply(t, d, u)
	c := dialUDP(t, u)
	send(t, c, "question")
	if got, want := receive(t, c), "sorry "+u.ID.String()+" for question"; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
}
