package load_test

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/internal/test/process"
)

const requestSize, answerSize = 100, 300

// waits is the time limit of a client whose operations are to fail with want. It
// is short only for tests that are to reach it, so that the others do not fail on
// a busy machine.
func waits(want string) time.Duration {
	if strings.HasSuffix(want, "in time") {
		return 50 * time.Millisecond
	}
	return time.Minute
}

// answer is what a real server with the number 7 says to a request, written
// down from the description of the protocol.
func answer(request []byte) []byte {
	sequence := binary.BigEndian.Uint32(request[4:])
	a := binary.BigEndian.AppendUint16(nil, 7)
	a = append(a, 0, 0xa5)
	a = binary.BigEndian.AppendUint32(a, sequence)
	for i := len(a); i < answerSize; i++ {
		a = append(a, byte((uint64(sequence)+uint64(i))%251))
	}
	return a
}

// tcp serves connections of c's address with handle until the test ends.
func tcp(t *testing.T, a netip.Addr, handle func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := ln.AcceptTCP()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// answering answers every request with what make says.
func answering(make func(request []byte) []byte) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		request := [requestSize]byte{}
		for {
			if _, err := io.ReadFull(c, request[:]); err != nil {
				return
			}
			if _, err := c.Write(make(request[:])); err != nil {
				return
			}
		}
	}
}

// once answers the first request with what make says, and leaves.
func once(make func(request []byte) []byte) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		request := [requestSize]byte{}
		if _, err := io.ReadFull(c, request[:]); err == nil {
			_, _ = c.Write(make(request[:]))
		}
	}
}

func change(at int) func([]byte) []byte {
	return func(request []byte) []byte {
		a := answer(request)
		a[at] ^= 4
		return a
	}
}

func TestBadServers(t *testing.T) {
	for name, test := range map[string]struct {
		handle func(*net.TCPConn)
		want   string
	}{
		"good":                   {answering(answer), ""},
		"byte by byte":           {slowly, ""},
		"closes":                 {once(func([]byte) []byte { return nil }), "closed before the answer"},
		"closes within header":   {once(func(r []byte) []byte { return answer(r)[:3] }), "closed within the answer"},
		"closes within":          {once(func(r []byte) []byte { return answer(r)[:answerSize-1] }), "closed within the answer"},
		"resets":                 {resetting, "receive: connection reset by peer"},
		"silent":                 {answering(func([]byte) []byte { return nil }), "no answer in time"},
		"stops within":           {answering(func(r []byte) []byte { return answer(r)[:200] }), "no answer in time"},
		"changed byte":           {answering(change(100)), "an answer changed on its way"},
		"changed last byte":      {answering(change(answerSize - 1)), "an answer changed on its way"},
		"changed sequence":       {answering(change(5)), "the answer to another request"},
		"no header":              {answering(func([]byte) []byte { return make([]byte, answerSize) }), "an answer that is none"},
		"more than asked":        {answering(func(r []byte) []byte { return append(answer(r), 'x') }), "more bytes than were due"},
		"found a broken request": {answering(func(r []byte) []byte { a := answer(r); a[2] = 1; return a }), "a request changed on its way"},
	} {
		for kind, a := range map[load.Kind]netip.Addr{load.Connections: local["IPv4"], load.Requests: local["IPv6"]} {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				t.Parallel()
				o := run(t, load.Client{
					Kind: kind, Targets: []netip.AddrPort{tcp(t, a, test.handle)}, Connections: 3,
					Request: requestSize, Answer: answerSize, Duration: 150 * time.Millisecond, Timeout: waits(test.want),
				})
				only(t, o, test.want)
			})
		}
	}
}

// only checks that nothing failed except in the way wanted, and that all did.
func only(t *testing.T, o load.Outcome, want string) {
	t.Helper()
	if want == "" {
		if o.Errors != 0 || o.Operations == 0 || o.Reals[7] != o.Operations {
			t.Errorf("%d operations (%v) and failures %v, want operations of real server 7", o.Operations, o.Reals, o.Failures)
		}
		return
	}
	if kinds := slices.Collect(maps.Keys(o.Failures)); !slices.Equal(kinds, []string{want}) || o.Operations != 0 {
		t.Errorf("%d operations and failures %v, want none but %q", o.Operations, o.Failures, want)
	}
	if int(o.Errors) != o.Failures[want] {
		t.Errorf("%d errors, want the sum of %v", o.Errors, o.Failures)
	}
}

func slowly(c *net.TCPConn) {
	_ = c.SetNoDelay(true)
	request := [requestSize]byte{}
	for {
		if _, err := io.ReadFull(c, request[:]); err != nil {
			return
		}
		for _, b := range answer(request[:]) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
		}
	}
}

func resetting(c *net.TCPConn) {
	_, _ = io.ReadFull(c, make([]byte, requestSize))
	_ = c.SetLinger(0)
}

func TestRefused(t *testing.T) {
	to := process.FreeAddr(t)
	for _, rate := range []float64{0, 200} {
		o := run(t, load.Client{
			Kind: load.Connections, Targets: []netip.AddrPort{to}, Connections: 3, Rate: rate, Duration: 100 * time.Millisecond,
		})
		only(t, o, "connect: connection refused")
		if rate > 0 && o.Errors != 20 {
			t.Errorf("%d errors, want all 20 operations", o.Errors)
		}
	}
}

// A director may carry requests to real servers wrongly, and answer rightly.
func TestChangedRequest(t *testing.T) {
	real := reals(t, local["IPv4"], 1).Listening()[0]
	to := tcp(t, local["IPv4"], func(c *net.TCPConn) {
		up, err := net.Dial("tcp", real.String())
		if err != nil {
			return
		}
		defer up.Close()
		request := [requestSize]byte{}
		if _, err := io.ReadFull(c, request[:]); err != nil {
			return
		}
		request[50]++
		_, _ = up.Write(request[:])
		_, _ = io.CopyN(c, up, answerSize)
	})
	o := run(t, load.Client{
		Kind: load.Connections, Targets: []netip.AddrPort{to}, Connections: 3,
		Request: requestSize, Answer: answerSize, Duration: 100 * time.Millisecond,
	})
	only(t, o, "a request changed on its way")
}

// udp answers datagrams with what reply sends, until the test ends.
func udp(t *testing.T, a netip.Addr, reply func(c *net.UDPConn, request []byte, from netip.AddrPort)) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = c.Close()
		wg.Wait()
	})
	wg.Go(func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			reply(c, b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		}
	})
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// saying answers each datagram with what make says.
func saying(make func([]byte) []byte) func(*net.UDPConn, []byte, netip.AddrPort) {
	return func(c *net.UDPConn, request []byte, from netip.AddrPort) {
		_, _ = c.WriteToUDPAddrPort(make(request), from)
	}
}

func TestBadDatagrams(t *testing.T) {
	for name, test := range map[string]struct {
		reply func(*net.UDPConn, []byte, netip.AddrPort)
		want  string
	}{
		"good":         {saying(answer), ""},
		"silent":       {func(*net.UDPConn, []byte, netip.AddrPort) {}, "no answer to a datagram in time"},
		"changed byte": {saying(change(100)), "an answer changed on its way"},
		"short":        {saying(func(r []byte) []byte { return answer(r)[:200] }), "closed within the answer"},
		"long": {saying(func(r []byte) []byte {
			return append(answer(r), byte((binary.BigEndian.Uint32(r[4:])%251+answerSize)%251))
		}), "more bytes than were due"},
		"found it damaged": {saying(func(r []byte) []byte { a := answer(r); a[2] = 1; return a }), "a request changed on its way"},
	} {
		for family, a := range local {
			t.Run(family+"/"+name, func(t *testing.T) {
				t.Parallel()
				only(t, run(t, datagrams(udp(t, a, test.reply), test.want)), test.want)
			})
		}
	}
}

func datagrams(to netip.AddrPort, want string) load.Client {
	return load.Client{
		Kind: load.Datagrams, Targets: []netip.AddrPort{to}, Connections: 8, Flows: 20, Request: requestSize, Answer: answerSize,
		Duration: 150 * time.Millisecond, Timeout: waits(want),
	}
}

func TestAnsweredTwice(t *testing.T) {
	to := udp(t, local["IPv4"], func(c *net.UDPConn, r []byte, from netip.AddrPort) {
		saying(answer)(c, r, from)
		saying(answer)(c, r, from)
	})
	const want = "an answer too late, or a second one"
	o := run(t, datagrams(to, want))
	kinds := slices.Collect(maps.Keys(o.Failures))
	if !slices.Equal(kinds, []string{want}) || o.Operations == 0 {
		t.Errorf("%d operations and failures %v, want second answers and nothing else", o.Operations, o.Failures)
	}
}

func TestAnsweredByAnother(t *testing.T) {
	other, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	to := udp(t, local["IPv4"], func(_ *net.UDPConn, r []byte, from netip.AddrPort) { saying(answer)(other, r, from) })
	const want = "no answer to a datagram in time"
	o := run(t, datagrams(to, want))
	if o.Operations != 0 || o.Failures["an answer from an address that was not asked"] == 0 || o.Failures[want] == 0 {
		t.Errorf("%d operations and failures %v, want answers from elsewhere not to count", o.Operations, o.Failures)
	}
}
