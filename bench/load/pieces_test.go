package load_test

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/load"
)

// The second piece of an answer waits until the first one has been acknowledged,
// which a kernel that expects something to be sent puts off for 40 ms.
func TestPieces(t *testing.T) {
	for family, a := range local {
		t.Run(family, func(t *testing.T) {
			c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(reals(t, a, 1).Listening()[0]))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			holdBack(t, c)
			request, answer := load.AppendRequest(nil, 1, 100, 128), make([]byte, 128)
			request[2] = 2 // the flag
			began := time.Now()
			if _, err := c.Write(request); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(answer); n != load.MinAnswer || err != nil {
				t.Fatalf("the first piece has %d bytes, %v, want a header", n, err)
			}
			if _, err := io.ReadFull(c, answer[load.MinAnswer:]); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < 20*time.Millisecond {
				t.Errorf("all of the answer was there after %v, before the first piece was acknowledged", took)
			}
		})
	}
}

// holdBack makes the kernel delay acknowledgements.
func holdBack(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_TCP, unix.TCP_QUICKACK, 0) })
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}
