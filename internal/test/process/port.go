package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// FreePort returns a port that nobody has, by TCP or UDP, on any address of this
// network namespace, and that is t's until it ends: neither another call, in
// whatever process of this user, nor the kernel, for a client or for a listener at
// port 0, gives it to anybody. So it stays free until t has a server take it.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		n := 10000 + rand.IntN(20000) // below the kernel's own, ip_local_port_range
		if !ports.reserve(t, n) {
			continue
		}
		if port := strconv.Itoa(n); unused(port) {
			t.Cleanup(func() { ports.release(n) })
			return port
		}
		ports.release(n)
	}
	t.Fatal("no port is free")
	return ""
}

// FreeAddr returns 127.0.0.1 with a FreePort.
func FreeAddr(t testing.TB) netip.AddrPort {
	t.Helper()
	return FreeAddrAt(t, "127.0.0.1")
}

// FreeAddrAt returns an address, as netip.ParseAddr reads it, with a FreePort.
func FreeAddrAt(t testing.TB, host string) netip.AddrPort {
	t.Helper()
	return netip.MustParseAddrPort(net.JoinHostPort(host, FreePort(t)))
}

func unused(port string) bool {
	tcp, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return false
	}
	_ = udp.Close()
	return true
}

// ports are those that tests of this process have.
var ports reservations

// reservations are a port each. Those of other processes are seen by a lock on the
// byte of that number in a file of this user, which ends with the process.
type reservations struct {
	mu   sync.Mutex
	held map[int]bool
	file *os.File
}

// reserve reports whether port n has become this process's.
func (r *reservations) reserve(t testing.TB, n int) bool {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		f, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("shunt-test-ports-%d", os.Getuid())), os.O_RDWR|os.O_CREATE, 0o600)
		must(t, err)
		r.file, r.held = f, map[int]bool{}
	}
	if r.held[n] || r.lock(unix.F_WRLCK, n) != nil {
		return false
	}
	r.held[n] = true
	return true
}

func (r *reservations) release(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.held, n); len(r.held) > 0 {
		_ = r.lock(unix.F_UNLCK, n)
		return
	}
	_ = r.file.Close() // with it the locks end
	r.file = nil
}

// lock sets a lock of an open file description, fcntl_locking(2), which has none
// of the surprises of a process's.
func (r *reservations) lock(kind int16, n int) error {
	return unix.FcntlFlock(r.file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind, Start: int64(n), Len: 1})
}
