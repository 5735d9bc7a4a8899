package proxy_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

// BenchmarkCostOfExchange sends 64 bytes there and back, 64 times at once, from
// so many clients.
func BenchmarkCostOfExchange(b *testing.B) {
	for _, flows := range []int{1, 100, 10000} {
		b.Run(strconv.Itoa(flows), func(b *testing.B) {
			p := startChild(b, "udp", echoBatches(b))
			g := newGenerator(b, mustAddr(p.addr), flows)
			g.exchange(2 * max(flows, 1000)) // every flow is there then
			g.lost = 0
			p.report(b, func() { g.exchange(b.N) })
			b.ReportMetric(float64(g.lost)/float64(b.N), "lost/op")
		})
	}
}

// echoBatches is a real server that costs little.
func echoBatches(b testing.TB) netip.AddrPort {
	c := get[net.PacketConn](b)(net.ListenPacket("udp4", "127.0.0.1:0"))
	_ = c.(*net.UDPConn).SetReadBuffer(4 << 20)
	done := make(chan struct{})
	b.Cleanup(func() { _ = c.Close(); <-done })
	go func() {
		defer close(done)
		p, messages := ipv4.NewPacketConn(c), batchOf(64, 0)
		for {
			n, err := p.ReadBatch(messages, 0)
			if err != nil {
				return
			}
			for i := range n {
				messages[i].Buffers[0] = messages[i].Buffers[0][:messages[i].N]
			}
			for sent := 0; sent < n; {
				m, err := p.WriteBatch(messages[sent:n], 0)
				if err != nil {
					return
				}
				sent += m
			}
			for i := range n {
				messages[i].Buffers[0] = messages[i].Buffers[0][:2048]
			}
		}
	}()
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

func batchOf(n, oob int) []ipv4.Message {
	messages := make([]ipv4.Message, n)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, 2048)}
		messages[i].OOB = make([]byte, oob)
	}
	return messages
}

// A generator sends from many addresses of loopback through one socket, 64
// datagrams at a time.
type generator struct {
	b        testing.TB
	conn     *net.UDPConn
	batches  *ipv4.PacketConn
	in, out  []ipv4.Message
	controls [][]byte
	flows    int
	next     int
	lost     int
}

func newGenerator(b testing.TB, to netip.AddrPort, flows int) *generator {
	conn := get[*net.UDPConn](b)(net.ListenUDP("udp4", nil))
	b.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadBuffer(4 << 20)
	g := &generator{b: b, conn: conn, batches: ipv4.NewPacketConn(conn), flows: flows, in: batchOf(64, 0), out: batchOf(64, 0)}
	for i := range g.out {
		g.out[i].Addr = net.UDPAddrFromAddrPort(to)
		g.out[i].Buffers[0] = g.out[i].Buffers[0][:64]
	}
	for i := range flows {
		src := make(net.IP, 4)
		binary.BigEndian.PutUint32(src, 127<<24|3<<16|uint32(i))
		g.controls = append(g.controls, (&ipv4.ControlMessage{Src: src}).Marshal())
	}
	return g
}

func (g *generator) exchange(n int) {
	g.send(min(64, n))
	for sent, answered := min(64, n), 0; answered < n; {
		_ = g.conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		m, err := g.batches.ReadBatch(g.in, 0)
		if err != nil { // what is on its way is lost
			m = sent - answered
			g.lost += m
		}
		answered += m
		again := min(m, n-sent)
		g.send(again)
		sent += again
	}
}

func (g *generator) send(n int) {
	for i := range n {
		g.out[i].OOB = g.controls[g.next%g.flows]
		g.next++
	}
	for sent := 0; sent < n; {
		m, err := g.batches.WriteBatch(g.out[sent:n], 0)
		if err != nil {
			g.b.Fatal(err)
		}
		sent += m
	}
}
