package proxy_test

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// A restartingServer is a real server that dies with its connections, and returns.
type restartingServer struct {
	t    testing.TB
	addr netip.AddrPort

	ln    net.Listener
	mu    sync.Mutex
	conns map[*net.TCPConn]bool
	work  sync.WaitGroup
}

func newRestartingServer(t testing.TB) *restartingServer {
	t.Helper()
	m := &restartingServer{t: t, addr: process.FreeAddr(t), conns: map[*net.TCPConn]bool{}}
	m.rise()
	t.Cleanup(m.die)
	return m
}

func (m *restartingServer) rise() {
	var ln net.Listener
	_ = wait.For(m.t, "a real server listens", func() (err error, ok bool) {
		ln, err = net.Listen("tcp", m.addr.String())
		return err, err == nil
	})
	m.ln = ln
	m.work.Go(func() { m.accept(ln) })
}

func (m *restartingServer) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		m.work.Go(func() { m.serve(c.(*net.TCPConn)) })
	}
}

func (m *restartingServer) serve(c *net.TCPConn) {
	m.mu.Lock()
	m.conns[c] = true
	m.mu.Unlock()
	echo(c)
	m.mu.Lock()
	delete(m.conns, c)
	m.mu.Unlock()
	_ = c.Close()
}

func (m *restartingServer) die() {
	_ = m.ln.Close()
	m.mu.Lock()
	for c := range m.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	m.mu.Unlock()
	m.work.Wait()
}

// A failingService is a service whose real servers die one after the other. Some are
// cut when they are dead, others while they still answer, and some are not.
type failingService struct {
	r      *remote
	v      dataplane.VirtualService
	cast   []*restartingServer
	deaths atomic.Int64
}

func newFailingService(t testing.TB, r *remote) *failingService {
	t.Helper()
	g := &failingService{r: r, v: tcpService(t)}
	for range 3 {
		m := newRestartingServer(t)
		g.cast = append(g.cast, m)
		g.v.RealServers = append(g.v.RealServers, dataplane.RealServer{Addr: m.addr, Forward: dataplane.Masq, Weight: 1})
	}
	g.v.Persistent, g.v.PersistentBits = time.Second, 32
	r.apply(g.v)
	return g
}

// act stops one of them and starts it again.
func (g *failingService) act(i uint64) {
	last := time.Duration(20+rand.IntN(200)) * time.Millisecond
	who := int(i % uint64(len(g.cast)))
	time.Sleep(last)
	if i%2 == 0 {
		g.cut(who)
		time.Sleep(last / 8)
	}
	g.cast[who].die()
	if i%4 == 1 {
		g.cut(who)
	}
	time.Sleep(last / 4)
	g.cast[who].rise()
	g.r.apply(g.v)
	g.deaths.Add(1)
}

// cut has nobody left at a server when it returns.
func (g *failingService) cut(who int) {
	g.r.apply(cutting(g.v, who))
	for _, sv := range g.r.vitals(false).Services {
		if sv.Service.ID == g.v.ID && sv.Servers[who].Active != 0 {
			g.r.t.Errorf("%d connections are left at a server that has been cut", sv.Servers[who].Active)
		}
	}
}
