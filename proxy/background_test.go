package proxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// Witnesses are clients to which nothing may happen while something else goes
// wrong: some keep a connection for all of the time, some come and go. Every
// byte that they get back from echo has to be the one they sent.
type backgroundClients struct {
	t     *testing.T
	vip   netip.AddrPort
	over  chan struct{}
	end   func()
	busy  sync.WaitGroup
	bytes atomic.Int64
	// exchanges are connections that came and went.
	exchanges atomic.Int64
	// worst is the longest that one of them took, in nanoseconds.
	worst atomic.Int64
}

func watch(t *testing.T, vip netip.AddrPort, staying, coming int) *backgroundClients {
	ws := &backgroundClients{t: t, vip: vip, over: make(chan struct{})}
	ws.end = sync.OnceFunc(func() { close(ws.over); ws.busy.Wait() })
	t.Cleanup(ws.end)
	for i := range staying {
		ws.busy.Go(func() { ws.stay(uint64(i)) })
	}
	for i := range coming {
		ws.busy.Go(func() { ws.come(uint64(1000 + i)) })
	}
	return ws
}

// heard ends all of them, and reports how they fared.
func (ws *backgroundClients) heard() string {
	ws.end()
	return fmt.Sprintf("background clients: %d exchanges of which the longest took %v, %d KiB",
		ws.exchanges.Load(), time.Duration(ws.worst.Load()).Round(time.Millisecond), ws.bytes.Load()>>10)
}

func (ws *backgroundClients) ended() bool {
	select {
	case <-ws.over:
		return true
	default:
		return false
	}
}

func (ws *backgroundClients) stay(seed uint64) {
	c, err := net.DialTimeout("tcp", ws.vip.String(), 3*patience)
	if err != nil {
		ws.t.Errorf("a witness does not get in: %v", err)
		return
	}
	defer c.Close()
	for r := newStream(seed); !ws.ended() && ws.exchange(c, r, int(r.Uint64()%20000)+1); {
		time.Sleep(time.Millisecond)
	}
	ws.leave(c.(*net.TCPConn))
}

// leave ends in good order.
func (ws *backgroundClients) leave(c *net.TCPConn) {
	_ = c.CloseWrite()
	if n, err := io.Copy(io.Discard, c); n != 0 || err != nil {
		ws.t.Errorf("a witness got %d bytes and %v in the end", n, err)
	}
}

func (ws *backgroundClients) come(seed uint64) {
	for r := newStream(seed); !ws.ended() && !ws.t.Failed(); time.Sleep(5 * time.Millisecond) {
		began := time.Now()
		c := visitor(ws.t, ws.vip)
		if c == nil {
			continue
		}
		if ws.exchange(c, r, 3000) {
			ws.leave(c)
		}
		_ = c.Close()
		ws.exchanges.Add(1)
		if took := int64(time.Since(began)); took > ws.worst.Load() {
			ws.worst.Store(took)
		}
	}
}

// exchange has n bytes echoed.
func (ws *backgroundClients) exchange(c net.Conn, r *stream, n int) bool {
	sent, got := r.take(n), make([]byte, n)
	_ = c.SetDeadline(time.Now().Add(3 * patience))
	_, err := c.Write(sent)
	if err == nil {
		_, err = io.ReadFull(c, got)
	}
	if err != nil || !bytes.Equal(sent, got) {
		ws.t.Errorf("an echo of %d bytes, right: %v, error %v", n, bytes.Equal(sent, got), err)
		return false
	}
	ws.bytes.Add(int64(n))
	return true
}

// A stream is bytes that tell where they are from.
type stream struct{ *rand.ChaCha8 }

func newStream(seed uint64) *stream {
	return &stream{rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1})}
}

// newAnswer is what answer sends.
func newAnswer() *stream { return &stream{rand.NewChaCha8([32]byte{})} }

func (s *stream) take(n int) []byte {
	b := make([]byte, n)
	_, _ = s.Read(b)
	return b
}

// unsettled changes all that may change about services without their
// connections noticing, again and again, until the function it returns is
// called. A second service comes and goes meanwhile.
func unsettled(t *testing.T, r *remote, vs ...dataplane.VirtualService) (settle func()) {
	second := tcpService(t, vs[0].RealServers[0].Addr)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; !t.Failed(); i++ {
			select {
			case <-over:
				return
			case <-time.After(10 * time.Millisecond):
			}
			r.apply(second)
			for _, v := range vs {
				r.apply(changed(v, i))
			}
			r.remove(second.ID)
		}
	}()
	return func() { close(over); <-done; r.apply(vs...) }
}

// changed gives v another weight, order and timeout, and takes servers behind
// the first one away.
func changed(v dataplane.VirtualService, i int) dataplane.VirtualService {
	w := v.Clone()
	w.Scheduler = []string{"rr", "wrr", "wlc", "lc"}[i/8%4]
	w.RealServers[0].Weight = 1 + i%3
	if last := len(w.RealServers) - 1; last > 0 {
		w.RealServers[last].Weight = i / 2 % 2
		if i%3 == 0 {
			w.RealServers = w.RealServers[:last]
		}
	}
	w.ConnectTimeout = time.Duration(20+i%10) * time.Second
	return w
}

// errOf is the first error that a connection ends with, nil for its end.
func errOf(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
