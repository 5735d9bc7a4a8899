package dataplanetest

import (
	"fmt"
	"io"
	"sync"
	"time"
)

var streaming = []promise{
	{"stream/client ends first", "a client that has finished sending still gets the whole answer", clientEndsFirst},
	{"stream/server ends first", "a real server that has finished sending still hears the client", serverEndsFirst},
	{"stream/reset by server", "a real server's reset reaches the client as a reset", serverResets},
	{"stream/reset by client", "a client's reset reaches the real server as a reset", clientResets},
	{"stream/proper end", "a proper end is never turned into a reset", properEnd},
	{"stream/upload", "what clients send arrives unchanged", upload},
	{"stream/download", "what real servers send arrives unchanged", download},
	{"stream/both ways", "streams in both directions do not disturb each other", bothWays},
	{"stream/backpressure", "a client that does not read holds its real server back", backpressure},
	{"stream/short connections", "thousands of short connections all succeed", shortConnections},
}

const mib = 1 << 20

func clientEndsFirst(s *fixture) {
	p := s.tcpService("rr", 1)
	p.apply()
	c := p.connect(0)
	c.command("echo")
	c.alive("at first")
	s.check("finish sending", c.CloseWrite())
	s.check("the end of the echo", c.ended())

	c = p.connect(0)
	s.exchange(c, 0, mib)
}

func serverEndsFirst(s *fixture) {
	p := s.tcpService("rr", 1)
	p.apply()
	c := p.connect(0)
	c.command("shut")
	s.check("the end of a real server that has nothing to say", c.ended())
	_, err := io.WriteString(c.TCPConn, "I go on")
	s.check("send to a real server that has finished", err)
	s.check("finish sending", c.CloseWrite())
	if r := p.awaitReport(0); r.err != nil || r.text != "I go on" {
		s.Errorf("the real server heard %q and %v, want all of it and a proper end", r.text, r.err)
	}
}

// awaitReport waits for what the i-th real server reports.
func (p *service) awaitReport(i int) report {
	p.Helper()
	select {
	case r := <-p.tcp[i].reports:
		return r
	case <-time.After(patience):
		p.Fatalf("real server %s does not notice within %v how its client ends", letter(i), patience)
	}
	return report{}
}

func serverResets(s *fixture) {
	p := s.tcpService("rr", 1)
	p.apply()
	c := p.connect(0)
	c.command("reset")
	if _, err := c.line(); !reset(err) {
		s.Errorf("the client of a real server that resets gets %v, want a reset", err)
	}
}

func clientResets(s *fixture) {
	p := s.tcpService("rr", 1)
	p.apply()
	c := p.connect(0)
	c.command("hold")
	c.abort()
	if r := p.awaitReport(0); !reset(r.err) {
		s.Errorf("the real server of a client that resets gets %v, want a reset", r.err)
	}
}

func properEnd(s *fixture) {
	p := s.tcpService("rr", 1)
	p.apply()
	for range s.size(100) {
		c := p.connect(0)
		c.command("hold")
		_, err := io.WriteString(c.TCPConn, "bye")
		s.check("send", err)
		c.close()
		if r := p.awaitReport(0); r.err != nil || r.text != "bye" {
			s.Fatalf("the real server of a client that closes heard %q and %v, want %q and a proper end", r.text, r.err, "bye")
		}
	}
}

func upload(s *fixture)   { s.transfer(24*mib, 0) }
func download(s *fixture) { s.transfer(0, 24*mib) }
func bothWays(s *fixture) { s.transfer(24*mib, 24*mib) }

func (s *fixture) transfer(up, down int) {
	p := s.tcpService("rr", 1)
	p.apply()
	s.exchange(p.connect(0), s.size(up), s.size(down))
}

// exchange sends and receives at the same time and compares digests. The
// client finishes sending first, even if it sends nothing.
func (s *fixture) exchange(c *conn, up, down int) {
	s.Helper()
	c.command("swap %d", down)
	var sending sync.WaitGroup
	sending.Go(func() {
		if _, err := io.Copy(c.TCPConn, noise(int64(up))); err != nil {
			s.Errorf("send %d bytes: %v", up, err)
		}
		if err := c.CloseWrite(); err != nil {
			s.Errorf("finish sending: %v", err)
		}
	})
	s.receive(c, down)
	sending.Wait()
	said, err := c.line()
	s.check("wait for what the real server says it got", err)
	if want := digest(noise(int64(up))); said != want {
		s.Errorf("the real server got %s, want %s", said, want)
	}
	s.check("the end", c.ended())
}

// receive takes n bytes of noise.
func (s *fixture) receive(c *conn, n int) {
	s.Helper()
	got, want := digest(io.LimitReader(c.r, int64(n))), digest(noise(int64(n)))
	if got != want {
		s.Errorf("the client got %s, want %s", got, want)
	}
}

// backpressure makes a client stop reading. The real server can then
// fill the buffers on the way and no more; it must stop sending.
func backpressure(s *fixture) {
	all, most := 64*mib, 48*mib
	if s.lab.Lacks.ForwardsPackets {
		all, most = 16*mib, 12*mib // there are only the buffers of the two ends
	}
	p := s.tcpService("rr", 1)
	p.apply()
	c := p.connect(0)
	s.check("have a small buffer", c.SetReadBuffer(64<<10))
	c.command("swap %d", all)
	s.check("finish sending", c.CloseWrite())
	sent := int64(-1)
	s.until("a real server whose client does not read comes to a halt", func() bool {
		before := sent
		time.Sleep(100 * time.Millisecond) // a halt is something that lasts
		sent = p.tcp[0].sent.Load()
		return sent == before && sent > 0
	})
	if sent > int64(most) {
		s.Fatalf("the real server got rid of %d MiB while its client read nothing", sent/mib)
	}
	s.receive(c, all)
	_, err := c.line()
	s.check("wait for what the real server says it got", err)
	s.check("the end", c.ended())
}

func shortConnections(s *fixture) {
	const clients = 8
	p := s.tcpService("rr", 1, 1)
	p.apply()
	each := s.size(2000) / clients
	var crowd sync.WaitGroup
	for i := range clients {
		crowd.Go(func() {
			if err := p.visits(i, each); err != nil {
				s.Errorf("client %d of %d at once, %d connections each: %v", i, clients, each, err)
			}
		})
	}
	crowd.Wait()
	p.idle()
}

// visits makes n short connections one after the other.
func (p *service) visits(client, n int) error {
	for i := range n {
		if _, err := p.visit(client); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return nil
}
