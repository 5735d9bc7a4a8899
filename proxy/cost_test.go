package proxy_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy"
)

// BenchmarkDatagramCost says what one exchange of 64 bytes costs the processor
// in a process that does nothing else.
func BenchmarkDatagramCost(b *testing.B) {
	for _, flows := range []int{1, 100, 10000} {
		b.Run(strconv.Itoa(flows), func(b *testing.B) { exchangeMany(b, flows) })
	}
}

func exchangeMany(b *testing.B, flows int) {
	v := udpService(b, echoBatches(b))
	other := apart(b, v)
	g := newGenerator(b, v.ID.Addr, flows)
	g.exchange(2 * max(flows, 1000)) // every flow is there then
	before := other.cpu()
	b.ResetTimer()
	g.exchange(b.N)
	b.StopTimer()
	b.ReportMetric(float64(other.cpu()-before)/float64(b.N), "cpu-us/op")
	if g.lost > 0 {
		b.Logf("%d of %d lost", g.lost, b.N)
	}
}

const apartVariable = "SHUNT_TEST_UDP_SERVICE" // service and real server of a child

// A process is a dataplane in a process of its own.
type process struct {
	b   *testing.B
	in  io.WriteCloser
	out *bufio.Reader
}

func apart(b *testing.B, v dataplane.VirtualService) *process {
	cmd := exec.Command(os.Args[0], "-test.run=^TestApart$")
	cmd.Env = append(os.Environ(), apartVariable+"="+v.ID.Addr.String()+" "+v.RealServers[0].Addr.String())
	cmd.Stderr = os.Stderr
	p := &process{b: b, in: need[io.WriteCloser](b)(cmd.StdinPipe())}
	p.out = bufio.NewReader(need[io.ReadCloser](b)(cmd.StdoutPipe()))
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.in.Close(); _ = cmd.Wait() })
	p.cpu()
	return p
}

// cpu returns the processor time it has used, in microseconds.
func (p *process) cpu() int64 {
	p.b.Helper()
	if _, err := fmt.Fprintln(p.in); err != nil {
		p.b.Fatal(err)
	}
	var us int64
	if _, err := fmt.Fscanln(p.out, &us); err != nil {
		p.b.Fatal(err)
	}
	return us
}

// TestApart is what the process of a benchmark runs.
func TestApart(t *testing.T) {
	var at, real string
	if n, _ := fmt.Sscan(os.Getenv(apartVariable), &at, &real); n != 2 {
		return // not one
	}
	d := newPlane(t, proxy.Options{Limits: proxy.Limits{Flows: 15000}})
	apply(t, d, serviceAt(dataplane.UDP, mustAddr(at), mustAddr(real)))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var u unix.Rusage
		_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
		fmt.Println((u.Utime.Nano() + u.Stime.Nano()) / 1000)
	}
}

// echoBatches is a real server that costs little.
func echoBatches(b *testing.B) netip.AddrPort {
	c := need[net.PacketConn](b)(net.ListenPacket("udp4", "127.0.0.1:0"))
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
	b        *testing.B
	conn     *net.UDPConn
	batches  *ipv4.PacketConn
	in, out  []ipv4.Message
	controls [][]byte
	flows    int
	next     int
	lost     int
}

func newGenerator(b *testing.B, to netip.AddrPort, flows int) *generator {
	conn := need[*net.UDPConn](b)(net.ListenUDP("udp4", nil))
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

