package proxy_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// Under load the flows of a removed real server go to another one: what is
// sent after Apply has returned is answered by that one.
func TestRemovedUnderLoad(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	a, _ := udpServer(t, "127.0.0.1", named("A"))
	b, _ := udpServer(t, "127.0.0.1", named("B"))
	v := udpService(t, a, b)
	apply(t, d, v)
	var load sync.WaitGroup
	removed, done := make(chan struct{}), make(chan struct{})
	for range 16 {
		c := dialUDP(t, v)
		load.Go(func() {
			after := 0
			for after < 20 {
				select {
				case <-removed:
					after++
				default:
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				_, _ = c.Write([]byte("?"))
				answer := make([]byte, 10)
				n, err := c.Read(answer)
				if err != nil || after > 0 && string(answer[:n]) != "B?" {
					t.Errorf("answered by %q, %v; A was removed: %t", answer[:n], err, after > 0)
					return
				}
			}
		})
	}
	go func() { load.Wait(); close(done) }()
	wait.Until(t, "all are at work", func() bool { return status(t, d).Counters.OutPackets > 1000 })
	v = v.Clone()
	v.RealServers = v.RealServers[1:]
	apply(t, d, v)
	close(removed)
	<-done
	if n := active(t, d); n != 16 {
		t.Errorf("%d flows, want 16", n)
	}
}

// Without descriptors new clients are refused as long as old ones are at work,
// which are served, and the log is told once. Who is silent gives way.
func TestFlowsWithoutDescriptors(t *testing.T) {
	var log recorder
	d := newPlane(t, proxy.Options{Log: log.logger()})
	server, _ := udpServer(t, "127.0.0.1", same)
	v := udpService(t, server)
	apply(t, d, v)
	old, late := dialUDP(t, v), dialUDP(t, v)
	exchange(t, old, "x")
	exchange(t, old, "x") // it has come back after an answer
	lift := exhaust(t)
	wait.Until(t, "the new client is refused again and again", func() bool {
		send(t, late, "x")
		if got := exchange(t, old, "y"); got != "y" {
			t.Errorf("the old client got %q", got)
		}
		return status(t, d).Counters.Refused >= 5
	})
	served := func() bool {
		send(t, late, "z")
		_ = late.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := late.Read(make([]byte, 1))
		return err == nil
	}
	wait.Until(t, "the new client has the descriptor of the silent one", served)
	told := func() int { return log.count("this host cannot reach a real server") }
	wait.Until(t, "the log is told", func() bool { return told() > 0 })
	lift()
	wait.Until(t, "both are served", func() bool { return served() && exchange(t, old, "y") == "y" })
	if c := status(t, d).Counters; c.Failures != 0 {
		t.Errorf("%+v, want no failures of real servers", c)
	}
	if n := told(); n != 1 {
		t.Errorf("the log was told %d times, want once", n)
	}
}

// Many workers at one address take what is theirs.
func TestManyWorkers(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		d := newPlane(t, proxy.Options{Workers: 4})
		server, _ := udpServer(t, host, same)
		v := serviceAt(dataplane.UDP, process.FreeAddrAt(t, host), server)
		apply(t, d, v)
		for range 32 {
			if got := exchange(t, dialUDP(t, v), strings.Repeat("x", 1200)); len(got) != 1200 {
				t.Errorf("%s: %d bytes came back", host, len(got))
			}
		}
		if n := active(t, d); n != 32 {
			t.Errorf("%s: %d flows, want 32", host, n)
		}
	}
}

// Sockets of our own share an address, but nobody else's.
func TestDatagramAddressTaken(t *testing.T) {
	d := newPlane(t, proxy.Options{})
	server, _ := udpServer(t, "127.0.0.1", same)
	v := udpService(t, server)
	other := get[net.PacketConn](t)(net.ListenPacket("udp", v.ID.Addr.String()))
	if err := d.Apply(t.Context(), v); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("Apply where somebody else listens: %v, want %v", err, unix.EADDRINUSE)
	}
	_ = other.Close()
	apply(t, d, v)
	if c, err := net.ListenPacket("udp", v.ID.Addr.String()); err == nil {
		_ = c.Close()
		t.Error("somebody else can listen at the address of a service")
	}
}

// Workers that flood each other keep to the limit they share, who is at work is
// served, and a newcomer gets a place.
func TestFloodOfWorkers(t *testing.T) {
	const workers, limit = 4, 64
	d := newPlane(t, proxy.Options{Workers: workers, Limits: proxy.Limits{Flows: limit}})
	server, _ := udpServer(t, "127.0.0.1", func(s string) []string {
		if s == "at work" {
			return []string{s}
		}
		return nil // who does not exist is not answered
	})
	v := udpService(t, server)
	apply(t, d, v)
	g := newGenerator(t, v.ID.Addr, 20000)
	served := func(c *net.UDPConn) bool {
		send(t, c, "at work")
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := c.Read(make([]byte, 10))
		return err == nil
	}
	old := dialUDP(t, v)
	exchange(t, old, "at work")
	for range 100 {
		g.send(64)
		// The flood may have filled the buffers before it.
		wait.Until(t, "who is at work is served", func() bool { return served(old) })
		// Each worker may just have chosen for one that is then refused.
		if n := active(t, d); n > limit+workers {
			t.Fatalf("%d flows, want %d at most", n, limit)
		}
	}
	wait.Until(t, "a newcomer gets a place", func() bool {
		g.send(64)
		return served(dialUDP(t, v))
	})
	if c := status(t, d).Counters; c.Refused == 0 || c.Failures != 0 {
		t.Errorf("%+v, want some refused and no failures", c)
	}
}

// TestFlowsOfOthersAreEvicted: it makes no difference which worker or service has the
// descriptors.
func TestFlowsOfOthersAreEvicted(t *testing.T) {
	d := newPlane(t, proxy.Options{Workers: 3})
	server, _ := udpServer(t, "127.0.0.1", same)
	full, other := udpService(t, server), udpService(t, server)
	apply(t, d, full)
	apply(t, d, other)
	var clients []*net.UDPConn
	for range 40 {
		clients = append(clients, dialUDP(t, full))
	}
	for range 10 {
		clients = append(clients, dialUDP(t, other))
	}
	for _, c := range clients[:20] {
		exchange(t, c, "x")
	}
	exhaust(t)
	for i, c := range clients[20:] {
		wait.Until(t, fmt.Sprintf("late client %d is served", i), func() bool {
			send(t, c, "z")
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			return err == nil
		})
	}
	blameless(t, d)
}
