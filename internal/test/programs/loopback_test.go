package programs_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"
)

// freePort returns a port that nobody has, by TCP or UDP, on any loopback
// address. It is one that the kernel gives to nobody as a client's, so that it
// stays free until a server takes it.
func freePort(t *testing.T) string {
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

// answers waits until somebody accepts connections at addr.
func answers(t *testing.T, p *program, addr string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s listens on %s", p.cmd.Path, addr), func() bool {
		if !p.running() {
			t.Fatalf("%s: %v", p.cmd, p.cmd.ProcessState)
		}
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}
