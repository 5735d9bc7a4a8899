package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/wait"
)

// FreePort returns a port that nobody has, by TCP or UDP, on any loopback
// address. It is one that the kernel gives to nobody as a client's, so that it
// stays free until a server takes it.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(10000 + rand.IntN(20000))
		if free(port) {
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// FreeAddr returns 127.0.0.1 with a FreePort.
func FreeAddr(t testing.TB) netip.AddrPort {
	t.Helper()
	return netip.MustParseAddrPort("127.0.0.1:" + FreePort(t))
}

func free(port string) bool {
	tcp, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return false
	}
	udp.Close()
	return true
}

// Listens waits until connections to addr are accepted.
func (p *Process) Listens(addr string) {
	p.t.Helper()
	wait.Until(p.t, p.Cmd.Path+" listens on "+addr, func() bool {
		if !p.Running() {
			p.t.Fatalf("%s: %v", p.Cmd, p.Cmd.ProcessState)
		}
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Folder makes a folder that every user may enter, unlike t.TempDir, and gives
// it to a user, if that is not empty and the test is root's.
func Folder(t testing.TB, owner string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "shunt-test-")
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) { // programs end beside it
			t.Error(err)
		}
	})
	must(t, os.Chmod(dir, 0o755))
	if owner != "" && os.Geteuid() == 0 {
		u, err := user.Lookup(owner)
		must(t, err)
		uid, err := strconv.Atoi(u.Uid)
		must(t, err)
		must(t, os.Chown(dir, uid, -1))
	}
	return dir
}
