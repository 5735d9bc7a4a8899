package wire_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket/pcapgo"

	"github.com/shunt-lb/shunt/bench/wire"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// TestPlain sees segments longer than a packet on a veth pair as it is made,
// and none on a plain one.
func TestPlain(t *testing.T) {
	onHost(t)
	s := &site{lab: netlab.Test(t), rate: 10000}
	s.client, s.director = s.namespace(t, "client"), s.namespace(t, "server")
	must(t, s.lab.Connect(end(s.client, "eth0", "10.1.0.2/16"), end(s.director, "eth0", "10.1.0.1/16")))
	ln, err := s.director.Listen("tcp", "10.1.0.1:80")
	must(t, err)
	done := make(chan struct{})
	go func() { defer close(done); acceptAndDiscard(ln) }()
	t.Cleanup(func() { _ = ln.Close(); <-done })

	if got := s.longest(t, ln.Addr()); got <= 1514 {
		t.Errorf("the longest frame has %d bytes: there is nothing to switch off", got)
	}
	must(t, wire.Plain(s.client, "eth0"), wire.Plain(s.director, "eth0"))
	if got := s.longest(t, ln.Addr()); got != 1514 {
		t.Errorf("the longest frame has %d bytes, want 1514", got)
	}
}

func acceptAndDiscard(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}
}

// longest sends a megabyte and returns the size of the longest frame.
func (s *site) longest(t *testing.T, to net.Addr) (most int) {
	t.Helper()
	v := wire.Service{Protocol: "tcp", Addr: to.(*net.TCPAddr).AddrPort(), Method: wire.Masq}
	w, err := wire.Watch(wire.Options{Service: v}, wire.Point{In: s.director, Link: "eth0", Real: wire.Director})
	must(t, err)
	c, err := s.client.Dial(within(t), "tcp", to.String())
	must(t, err)
	_, err = c.Write(make([]byte, 1<<20))
	must(t, err, c.Close())
	o, err := w.Stop(within(t))
	must(t, err)

	file := filepath.Join(t.TempDir(), "packets.pcapng")
	must(t, o.Save(file))
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	must(t, err)
	for {
		_, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return most
		}
		must(t, err)
		most = max(most, info.Length)
	}
}

// BenchmarkFlood sends SYNs as fast as a link takes them and captures them.
func BenchmarkFlood(b *testing.B) {
	s := newFixture(b)
	v := s.service(b, wire.Gate, "tcp", false, 1)
	w, err := wire.Watch(wire.Options{Service: v, Ring: 64 << 20}, wire.Point{In: s.director, Link: "eth0", Real: wire.Director})
	must(b, err)
	s.rate = 0
	b.ResetTimer()
	s.flood(b, v, uint64(b.N))
	b.StopTimer()
	o, err := w.Stop(within(b))
	must(b, err)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(100*float64(o.Packets())/float64(b.N), "%captured")
	b.ReportMetric(float64(o.Dropped()), "dropped")
}
