package proxy_test

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/proxy"
)

// TestFaultSoak has everything at once, for as long as -soak says: clients that
// stay, come and go, stream, reset, read slowly, wait and give up, are limited,
// denied and introduced by another service; UDP flows; real servers that die
// with all their connections or are cut, and come back; and all services
// changed a hundred times a second. Whoever has nothing to do with a server that
// dies gets every byte, and what the proxy has in the end is not more than what
// it had in the beginning.
func TestFaultSoak(t *testing.T) {
	r := newRemote(t, RemoteOptions{Limits: proxy.Limits{Connections: 2000, Flows: 200, Buffers: 64 << 10}})
	steady := tcpService(t, enduring(t, echo), enduring(t, echo), enduring(t, echo))
	flows := serviceAt(dataplane.UDP, process.FreeAddr(t), udpEchoes(t), udpEchoes(t))
	queued := roomFor(tcpService(t, enduring(t, echo), enduring(t, echo)), 2)
	queued.QueueTimeout = 6 * patience
	limited := tcpService(t, enduring(t, echo), enduring(t, echo))
	limited.SourceConns, limited.SourceRate = 2, dataplane.Rate{Count: 100, Per: time.Second}
	inner := tcpService(t, enduring(t, greets(t)), enduring(t, greets(t)))
	inner.ProxyProtocol, inner.TrustedProxies = 2, loopback
	outer := tcpService(t, inner.ID.Addr)
	outer.ProxyProtocol = 2
	pinned := tcpService(t, enduring(t, echoAs("A")), enduring(t, echoAs("B")))
	pinned.Persistent, pinned.PersistentBits = 2*time.Second, 32
	guarded := tcpService(t, enduring(t, echo), enduring(t, echo))
	slow := tcpService(t, enduring(t, sendPieces), enduring(t, sendPieces))
	r.apply(steady, slow, flows, queued, limited, inner, outer, pinned, guard(guarded, 0))
	failingService := newFailingService(t, r)

	ws, settle := watch(t, steady.ID.Addr, 8, 3), unsettled(t, r, steady, slow, flows, queued, limited, inner, outer)
	var over atomic.Bool
	var busy sync.WaitGroup
	var exchanges, echoed, fallen, moved, admitted atomic.Int64
	forever := func(pause time.Duration, do func(i uint64)) {
		busy.Go(func() {
			for i := uint64(0); !over.Load() && !t.Failed(); i++ {
				do(i)
				exchanges.Add(1)
				time.Sleep(pause)
			}
		})
	}
	const often, seldom = 2 * time.Millisecond, 20 * time.Millisecond
	forever(0, func(i uint64) { streamThrough(t, steady.ID.Addr, i, 8<<20, &echoed) })
	forever(often, func(i uint64) { resetInTheMiddle(t, steady.ID.Addr, i) })
	for n := range uint64(4) {
		forever(0, func(uint64) { wantDatagrams(t, flows.ID.Addr, 2); moved.Add(2) })
		forever(often, func(i uint64) { fallen.Add(echoUntilReset(t, failingService.v, n<<20+i)) })
		forever(seldom, func(i uint64) { wantPieces(t, slow, from(2, n<<12+i), 8<<20) })
		forever(often, func(i uint64) { admitted.Add(tryIt(t, limited, from(3, 0))) })
		forever(0, func(i uint64) { giveUp(queued, from(4, i), time.Duration(rand.IntN(3000))*time.Microsecond) })
	}
	for range 8 {
		forever(0, func(i uint64) { wantExchange(t, "a client that waits", queued, from(5, i), 20_000) })
	}
	forever(seldom, func(i uint64) { wantExchange(t, "a source of its own", limited, from(6, i), 1000) })
	forever(seldom, func(i uint64) { wantProxyHeader(t, outer, from(7, i), 50_000) })
	forever(often, func(i uint64) { wantProxyHeader(t, outer, from(8, i), 500) })
	forever(seldom, func(i uint64) { wantPinned(t, pinned, from(9, i)) })
	forever(seldom, func(i uint64) { wantExchange(t, "a client that is allowed", guarded, from(10, i), 1000) })
	forever(seldom, func(i uint64) { wantNoExchange(t, "a client that is denied", guarded, from(11, i)) })
	forever(seldom, func(i uint64) { _ = tryIt(t, guarded, from(12, i)) })
	forever(5*seldom, func(i uint64) { r.apply(guard(guarded, i)) })
	forever(seldom, func(i uint64) { r.apply(weighted(pinned, int(1+i%3))) })
	forever(0, failingService.act)

	starved := netstat(t, "TCPAbortOnMemory")
	samples := r.observe(*soak)
	over.Store(true)
	busy.Wait()
	settle()
	if now := netstat(t, "TCPAbortOnMemory"); now != starved {
		t.Errorf("the host had no memory for TCP and has ended connections of anybody: %s before, %s now", starved, now)
	}
	t.Log(ws.heard())
	t.Logf("%d exchanges, %s streamed, %d datagrams, %d connections fell with their server, %d deaths",
		exchanges.Load(), mib(uint64(echoed.Load())), moved.Load(), fallen.Load(), failingService.deaths.Load())
	samples.wantFlat(t)
	wantEvents(t, r, &admitted)
	r.remove(flows.ID)
	wantEmpty(t, r)
	wantNothingLeft(t, r)
	// Sixteen pipes of each worker are kept, at two descriptors each.
	if n, most := r.files(), samples.first("descriptors")+2*16*runtime.GOMAXPROCS(0); n > most {
		t.Errorf("%d descriptors in the end, want at most %d", n, most)
	}
}

// enduring is a real server whose connections may take as long as a soak does.
func enduring(t testing.TB, serve func(*net.TCPConn)) netip.AddrPort {
	return tcpServer(t, "127.0.0.1", func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Time{})
		serve(c)
	})
}

// echoAs says its name first.
func echoAs(name string) func(*net.TCPConn) {
	return func(c *net.TCPConn) { _, _ = io.WriteString(c, name); echo(c) }
}

// guard is v with clients whom it serves, and whom it does not: some of them
// always, some never, others for as long as nobody thinks otherwise.
func guard(v dataplane.VirtualService, i uint64) dataplane.VirtualService {
	v = v.Clone()
	v.Allow = []netip.Prefix{prefix("127.10.0.0/16"), prefix("127.12.0.0/16")}
	v.Deny = []netip.Prefix{prefix("127.11.0.0/16"), netip.PrefixFrom(from(12, i<<8), 24)}
	for n := range 1000 * (i % 3) {
		v.Deny = append(v.Deny, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), byte(n >> 8), byte(n)}), 32))
	}
	return v
}

// weighted gives the first real server another weight.
func weighted(v dataplane.VirtualService, n int) dataplane.VirtualService {
	v = v.Clone()
	v.RealServers[0].Weight = n
	return v
}

// wantEvents sees to it that what can happen has: a soak that is long enough
// and has tried nothing proves nothing.
func wantEvents(t *testing.T, r *remote, admitted *atomic.Int64) {
	t.Helper()
	v := r.vitals(false)
	var sum dataplane.Counters
	for _, sv := range v.Services {
		sum = sum.Add(sv.Counters)
	}
	t.Logf("%d let in of those at their limit; %+v; %+v", admitted.Load(), sum, v.Load)
	for what, n := range map[string]uint64{
		"was let in at its limit": uint64(admitted.Load()), "was throttled": sum.Throttled, "was denied": sum.Denied,
		"waited": sum.Queued, "was cut": sum.Cut, "was not reached": sum.Failures, "was read without a buffer": v.Load.Buffers.Refused,
	} {
		if n == 0 && *soak >= 30*time.Second {
			t.Errorf("nobody %s", what)
		}
	}
	if sum.MissingProxyHeader > 0 {
		t.Errorf("%d had no PROXY header", sum.MissingProxyHeader)
	}
}

// wantNothingLeft looks at what connections take beside descriptors and memory.
func wantNothingLeft(t *testing.T, r *remote) {
	t.Helper()
	var v Vitals
	inTheEnd(t, "no place is taken, nobody waits, is remembered or pinned", func() bool {
		v = r.vitals(false)
		l := v.Load
		return l.Connections.Used+l.Flows.Used+l.Buffers.Used == 0 && v.Sources+v.Having+v.Waiting()+v.Pinned() == 0
	})
}
