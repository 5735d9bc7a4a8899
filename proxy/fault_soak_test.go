package proxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

// TestFaultSoak has everything at once, for as long as -soak says: clients that
// stay, come and go, stream, reset; UDP flows; real servers that die with all
// their connections and come back; and all services changed a hundred times a
// second. Whoever has nothing to do with a server that dies gets every byte, and
// what the proxy has in the end is not more than what it had in the beginning.
func TestFaultSoak(t *testing.T) {
	r := newRemote(t, RemoteOptions{Limits: proxy.Limits{Connections: 2000, Flows: 200}})
	var live []netip.AddrPort
	for range 3 {
		live = append(live, tcpServer(t, "127.0.0.1", endlessEcho))
	}
	mortals := []*mortal{newMortal(t), newMortal(t), newMortal(t)}
	steady, shaky := tcpService(t, live...), tcpService(t, mortals[0].addr, mortals[1].addr, mortals[2].addr)
	shaky.Persistent, shaky.PersistentBits = time.Second, 32
	flows := serviceAt(dataplane.UDP, freePort(t, "udp", "127.0.0.1"), udpEchoes(t), udpEchoes(t))
	r.apply(steady, shaky, flows)

	ws, settle := watch(t, steady.ID.Addr, 8, 3), unsettled(t, r, steady, shaky, flows)
	var over atomic.Bool
	var busy sync.WaitGroup
	var echoed, fallen, moved atomic.Int64
	forever := func(do func(i uint64)) {
		busy.Go(func() {
			for i := uint64(0); !over.Load() && !t.Failed(); i++ {
				do(i)
			}
		})
	}
	forever(func(i uint64) { streamThrough(t, steady.ID.Addr, i, 8<<20, &echoed) })
	forever(func(i uint64) { resetInTheMiddle(t, steady.ID.Addr, i) })
	forever(func(uint64) { f := newFlow(t, flows.ID.Addr); f.exchange(); f.exchange(); _ = f.Close(); moved.Add(2) })
	for n := range uint64(4) {
		forever(func(i uint64) { fallen.Add(riskIt(t, shaky.ID.Addr, n<<20+i)) })
	}
	forever(func(i uint64) { mortals[i%3].dieAndRise(time.Duration(20+rand.IntN(200)) * time.Millisecond) })

	samples := r.observe(*soak)
	over.Store(true)
	busy.Wait()
	settle()
	t.Log(ws.heard())
	t.Logf("%s streamed, %d datagrams, %d connections fell with their server, %d deaths",
		mib(uint64(echoed.Load())), moved.Load(), fallen.Load(), mortals[0].deaths+mortals[1].deaths+mortals[2].deaths)
	samples.wantFlat(t)
	r.remove(flows.ID)
	wantEmpty(t, r)
	// Sixteen pipes of each worker are kept, at two descriptors each.
	if n, most := r.files(), samples.files[0]+2*16*runtime.GOMAXPROCS(0); n > most {
		t.Errorf("%d descriptors in the end, want at most %d", n, most)
	}
}

// endlessEcho lasts for as long as a soak does.
func endlessEcho(c *net.TCPConn) {
	_ = c.SetDeadline(time.Time{})
	echo(c)
}

// resetInTheMiddle goes away with something on its way in both directions.
func resetInTheMiddle(t testing.TB, vip netip.AddrPort, seed uint64) {
	c := visitor(t, vip)
	if c == nil {
		return
	}
	_, _ = c.Write(newStream(seed).take(1000 + int(seed*7919%300_000)))
	_, _ = io.CopyN(io.Discard, c, 1000)
	_ = c.SetLinger(0)
	_ = c.Close()
	time.Sleep(2 * time.Millisecond)
}

// riskIt has bytes echoed by servers that may die. It returns 1 if that is
// what happened; up to then what came has to be right.
func riskIt(t *testing.T, vip netip.AddrPort, seed uint64) int64 {
	c, err := net.DialTimeout("tcp", vip.String(), patience)
	if err != nil {
		return 1 // turned away by the time that connecting was over
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * patience))
	sent := newStream(seed).take(30_000)
	_, _ = c.Write(sent)
	_ = c.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(c)
	if !bytes.HasPrefix(sent, got) {
		t.Errorf("an echo of %d bytes is wrong in the first %d", len(sent), len(got))
	}
	time.Sleep(2 * time.Millisecond)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a client of a real server that has died hangs after %d bytes", len(got))
	}
	if err == nil && len(got) == len(sent) {
		return 0
	}
	return 1
}

// A mortal is a real server that dies with its connections, and returns.
type mortal struct {
	t      testing.TB
	addr   netip.AddrPort
	deaths int

	ln    net.Listener
	mu    sync.Mutex
	conns map[*net.TCPConn]bool
	work  sync.WaitGroup
}

func newMortal(t testing.TB) *mortal {
	t.Helper()
	m := &mortal{t: t, addr: freePort(t, "tcp", "127.0.0.1"), conns: map[*net.TCPConn]bool{}}
	m.rise()
	t.Cleanup(m.die)
	return m
}

func (m *mortal) rise() {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if m.ln, err = net.Listen("tcp", m.addr.String()); err == nil {
			m.work.Go(func() { m.accept(m.ln) })
			return
		}
	}
	m.t.Errorf("a real server does not rise: %v", err)
}

func (m *mortal) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		m.work.Go(func() { m.serve(c.(*net.TCPConn)) })
	}
}

func (m *mortal) serve(c *net.TCPConn) {
	m.mu.Lock()
	m.conns[c] = true
	m.mu.Unlock()
	echo(c)
	m.mu.Lock()
	delete(m.conns, c)
	m.mu.Unlock()
	_ = c.Close()
}

func (m *mortal) die() {
	_ = m.ln.Close()
	m.mu.Lock()
	for c := range m.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	m.mu.Unlock()
	m.work.Wait()
}

func (m *mortal) dieAndRise(after time.Duration) {
	time.Sleep(after)
	m.die()
	m.deaths++
	time.Sleep(after / 4)
	m.rise()
}

// Observations are what a proxy had at even intervals.
type observations struct{ files, goroutines, heap, resident []int }

// observe looks at the proxy for as long as d.
func (r *remote) observe(d time.Duration) *observations {
	o := &observations{}
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(min(d/20, time.Second)) {
		v := r.vitals(true)
		o.files = append(o.files, r.files())
		o.goroutines = append(o.goroutines, v.Goroutines)
		o.heap = append(o.heap, int(v.Heap))
		o.resident = append(o.resident, int(r.resident()))
	}
	return o
}

// wantFlat compares the medians of the first and the last quarter. What is too
// short for a trend is only told.
func (o *observations) wantFlat(t *testing.T) {
	t.Helper()
	for _, s := range []struct {
		name  string
		all   []int
		slack int
	}{
		{"descriptors", o.files, 40},
		{"goroutines", o.goroutines, 4},
		{"bytes of heap", o.heap, 2 << 20},
		{"bytes resident", o.resident, 4 << 20},
	} {
		first, last := median(s.all[:(len(s.all)+3)/4]), median(s.all[len(s.all)*3/4:])
		line := fmt.Sprintf("%s: %d in the first quarter, %d in the last, at most %d", s.name, first, last, slices.Max(s.all))
		if *soak >= 30*time.Second && last > first+first/10+s.slack {
			t.Error(line)
		} else {
			t.Log(line)
		}
	}
}

func median(all []int) int {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
