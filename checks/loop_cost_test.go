//go:build !race

package checks_test

import (
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/checks"
)

// TestLoopAllocatesNothing: a check that goes well takes no memory, from its start
// to its result. The servers take none either: nobody accepts the connections, and
// datagrams are answered in place.
func TestLoopAllocatesNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	for name, target := range map[string]checks.Target{
		"connect":   {Addr: listener.Addr().(*net.TCPAddr).AddrPort()},
		"simpletcp": {Addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), UDP: true, Request: "ping", Receive: receive("^ping$")},
	} {
		for try := 1; ; try++ {
			n := allocations(t, name, target, 100)
			if n == 0 {
				break
			}
			if try == 3 { // what else goes on in this process may allocate, but not always
				t.Errorf("%s: 100 checks take %d allocations", name, n)
				break
			}
		}
	}
}

// allocations makes a check so many times, and returns how often memory was
// allocated meanwhile.
func allocations(t *testing.T, name string, target checks.Target, times int) uint64 {
	t.Helper()
	l, err := checks.NewLoop(func(v any, _ []byte) { t.Error(v) })
	if err != nil {
		t.Fatal(err)
	}
	const before = 20 // until all that is kept has been allocated
	var first, last runtime.MemStats
	var failed error
	made, ready := 0, true
	r, ok := l.Add(name, subject{&target, func(err error) {
		failed, ready = errors.Join(failed, err), true
		made++
	}})
	if !ok {
		t.Fatalf("a loop does not make %s", name)
	}
	l.Run(func() (time.Duration, bool) {
		if made == before {
			runtime.ReadMemStats(&first)
		}
		if made == before+times {
			runtime.ReadMemStats(&last)
			return 0, false
		}
		if ready {
			ready = false
			r.Start(long)
		}
		return -1, true
	})
	if failed != nil {
		t.Error(failed)
	}
	return last.Mallocs - first.Mallocs
}
