package proxy_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// A flowChurn has clients and servers that come and go while the service changes.
type flowChurn struct {
	t        *testing.T
	addrs    []netip.AddrPort // those that are in no service, too
	sent     atomic.Uint64
	replied  atomic.Uint64
	returned atomic.Uint64
	version  atomic.Int64

	mu       sync.Mutex
	sets     [][]netip.AddrPort // by version: what may be chosen
	arrivals map[string]arrival
	total    uint64
}

type arrival struct {
	at    netip.AddrPort
	known int64 // the newest version then
}

// TestFlowsOfRandomChanges: every datagram arrives at most once, at a server that was in
// the service since it was sent, every reply reaches its client, and nothing is left in
// the end.
func TestFlowsOfRandomChanges(t *testing.T) {
	for _, set := range []func(*dataplane.VirtualService){
		func(*dataplane.VirtualService) {},
		func(v *dataplane.VirtualService) { v.Scheduler, v.OnePacket = "wrr", true },
		func(v *dataplane.VirtualService) { v.Scheduler = "sh" },
		func(v *dataplane.VirtualService) { v.Persistent, v.PersistentBits = time.Second, 32 },
		func(v *dataplane.VirtualService) { v.SourceConns, v.SourceBits4 = 10, 16 },
	} {
		t.Run("", func(t *testing.T) { churnFlows(t, set) })
	}
}

func churnFlows(t *testing.T, set func(*dataplane.VirtualService)) {
	d := newPlane(t, proxy.Options{Workers: 2, Limits: proxy.Limits{Flows: 300}})
	m := &flowChurn{t: t, arrivals: map[string]arrival{}}
	for range 6 {
		m.addrs = append(m.addrs, process.FreeAddr(t))
	}
	files := openFiles(t, "socket:")
	v := udpService(t, m.addrs[:4]...)
	set(&v)
	m.sets = [][]netip.AddrPort{m.addrs[:4]}
	apply(t, d, v)
	done, servers, clients := make(chan struct{}), sync.WaitGroup{}, sync.WaitGroup{}
	for _, a := range m.addrs {
		servers.Go(func() { m.server(a, done) })
	}
	stop := make(chan struct{})
	for i := range 24 {
		clients.Go(func() { m.client(v, i, stop) })
	}
	m.change(d, v)
	close(stop)
	clients.Wait()
	close(done)
	servers.Wait()
	m.check(d)
	must(t, d.Remove(t.Context(), v.ID))
	wait.Until(t, "nothing is left", func() bool {
		return d.Load().Flows.Used == 0 && openFiles(t, "socket:") <= files+2*2 // what workers keep in reserve
	})
}

// change changes the service again and again.
func (m *flowChurn) change(d *proxy.Dataplane, v dataplane.VirtualService) {
	for range scaled(40, 15) {
		time.Sleep(20 * time.Millisecond)
		v = v.Clone()
		v.RealServers = nil
		var in []netip.AddrPort
		for _, a := range m.addrs[:4] {
			if rand.IntN(3) > 0 {
				in = append(in, a)
				v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: a, Weight: rand.IntN(3)})
			}
		}
		m.mu.Lock()
		m.sets = append(m.sets, in) // it may be in force before Apply returns
		m.mu.Unlock()
		apply(m.t, d, v)
		m.version.Add(1)
		d.SetLimits(proxy.Limits{Flows: 20 + rand.IntN(300)})
	}
}

// server listens most of the time, and answers with what it got, up to three
// times.
func (m *flowChurn) server(at netip.AddrPort, done chan struct{}) {
	for {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			time.Sleep(time.Millisecond) // another test looks whether the port is free
			continue
		}
		end := time.Now().Add(time.Duration(rand.IntN(200)) * time.Millisecond)
		for b := make([]byte, 2000); time.Now().Before(end); {
			_ = c.SetReadDeadline(end)
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				break
			}
			m.arrived(string(b[:n]), at)
			for range rand.IntN(4) {
				m.replied.Add(1)
				_, _ = c.WriteToUDPAddrPort(b[:n], from)
			}
		}
		_ = c.Close()
		select {
		case <-done:
			return
		case <-time.After(time.Duration(rand.IntN(5)) * time.Millisecond):
		}
	}
}

func (m *flowChurn) arrived(id string, at netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total++
	if first, twice := m.arrivals[id]; twice {
		m.t.Errorf("%.20s has arrived at %v and at %v", id, first.at, at)
	}
	m.arrivals[id] = arrival{at, int64(len(m.sets) - 1)}
}

// client is one after the other, and sends in bursts of any size.
func (m *flowChurn) client(v dataplane.VirtualService, i int, stop chan struct{}) {
	for life, n := 0, 0; ; life++ {
		// No other has this address, so that whatever comes is for this one.
		from := &net.UDPAddr{IP: net.IPv4(127, byte(10+i), byte(life/250), byte(1+life%250))}
		c, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(v.ID.Addr))
		if err != nil {
			m.t.Error(err)
			return
		}
		name := fmt.Sprintf("%d/%d/", i, life)
		for range 1 + rand.IntN(20) {
			for range 1 + rand.IntN(8) {
				n++
				id := fmt.Sprintf("%s%06d/%d/", name, n, m.version.Load())
				_, _ = c.Write([]byte(id + strings.Repeat("x", rand.IntN(3)*500)))
				m.sent.Add(1)
			}
			m.hear(c, name)
		}
		_ = c.Close()
		select {
		case <-stop:
			return
		default:
		}
	}
}

func (m *flowChurn) hear(c *net.UDPConn, name string) {
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
	for b := make([]byte, 2000); ; {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		m.returned.Add(1)
		if !strings.HasPrefix(string(b[:n]), name) {
			m.t.Errorf("client %s has heard %.20s", name, b[:n])
		}
	}
}

func (m *flowChurn) check(d *proxy.Dataplane) {
	var n dataplane.Counters
	wait.Until(m.t, "all is counted", func() bool {
		before := n
		time.Sleep(300 * time.Millisecond)
		n = status(m.t, d).Counters
		return n == before
	})
	m.t.Logf("%d sent, %d arrived, %d replies, %d returned: %+v", m.sent.Load(), m.total, m.replied.Load(), m.returned.Load(), n)
	if n.InPackets < m.total || n.InPackets+n.Refused+n.Throttled > m.sent.Load() || n.OutPackets < m.returned.Load() || n.OutPackets > m.replied.Load() || m.total == 0 || m.returned.Load() == 0 {
		m.t.Error("the counters do not fit")
	}
	for id, a := range m.arrivals {
		var i, life, seq, version int
		if _, err := fmt.Sscanf(id, "%d/%d/%d/%d/", &i, &life, &seq, &version); err != nil {
			m.t.Fatalf("%.30s: %v", id, err)
		}
		if !slices.ContainsFunc(m.sets[version:a.known+1], func(in []netip.AddrPort) bool { return slices.Contains(in, a.at) }) {
			m.t.Errorf("%.30s has arrived at %v, which was not in the service from version %d to %d", id, a.at, version, a.known)
		}
	}
}
