package stream

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/proxyheader"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/screen"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

var (
	statesSeed = flag.Uint64("states.seed", 0, "the first life that TestStates leads")
	statesRuns = flag.Uint64("states.runs", 10, "how many lives TestStates leads")
)

// A random is a fixture in which anything may happen at any time.
type random struct {
	*fixture
	*rand.Rand
	backends []*net.TCPListener
	addrs    []netip.AddrPort // the last two do not answer, and refuse
	clients  []*net.TCPConn
	servers  []*net.TCPConn
	settings virtual.Settings
	log      []string
}

// After any events in any states nothing is left of connections in the end, and
// no bytes that could be passed on are held meanwhile.
func TestStates(t *testing.T) {
	var backends []*net.TCPListener
	var addrs []netip.AddrPort
	for range 2 {
		l, addr := listen(t)
		backends, addrs = append(backends, l), append(addrs, addr)
	}
	addrs = append(addrs, silent(t), dead(t))
	for seed := *statesSeed; seed < *statesSeed+*statesRuns && !t.Failed(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			had := openFiles(t)
			x := &random{Rand: rand.New(rand.NewPCG(seed, 0)), backends: backends, addrs: addrs}
			x.begin(t)
			for range 80 {
				x.happen()
			}
			x.settled()
			x.over()
			if now := openFiles(t); now != had {
				t.Errorf("%d descriptors are open, want %d", now, had)
			}
			if t.Failed() {
				for _, l := range x.log {
					t.Log(l)
				}
			}
		})
	}
}

func openFiles(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func (x *random) begin(t *testing.T) {
	x.fixture = newFixture(t, x.addrs...)
	x.h.relay.pipes.limit = 2 * x.IntN(2)
	x.fwd.Bound(Bounds{Connections: 4 + x.IntN(30), Buffers: int64(x.IntN(4) * engine.BufferSize)})
	if x.IntN(2) == 0 {
		x.service.Sorry = func(c net.Conn) {
			_, _ = io.WriteString(c, "sorry")
			_ = c.Close()
		}
	}
	x.reset()
	x.reload()
}

// note is for whoever has to find out what has happened.
func (x *random) note(format string, args ...any) {
	x.log = append(x.log, fmt.Sprintf(format, args...))
}

func (x *random) happen() {
	switch n := x.IntN(40); {
	case n < 9:
		x.arrive()
	case n < 17:
		x.talk("client", &x.clients)
	case n < 25:
		x.talk("server", &x.servers)
	case n < 29:
		x.serve()
	case n < 31:
		x.note("tick")
		x.Pass(engine.TickLength)
	case n < 32:
		d := []time.Duration{1200 * time.Millisecond, 3 * time.Second, 30 * time.Second}[x.IntN(3)]
		x.note("pass %v", d)
		x.Pass(d)
	case n < 34:
		x.reload()
	case n < 36:
		x.reset()
	case n < 37:
		x.cut()
	case n < 38:
		x.shortage()
	case n < 39:
		x.settled()
	default:
		x.reopen()
	}
	for range x.IntN(4) {
		x.Worker.Iterate(0)
	}
}

// arrive has a client come, who may have something to say.
func (x *random) arrive() {
	if len(x.clients) > 30 {
		return
	}
	c := x.dial()
	_ = c.SetReadBuffer(8 << 10)
	x.clients = append(x.clients, c)
	said := [...]string{
		"", "request", "PROXY UNKNOWN\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 3 4\r\nrequest", "PROX",
		string(proxyheader.AppendLocal(nil)) + "request", "PROXY TCP4 192.0.2.7 192.0.2.2 3 4\r\n",
	}[x.IntN(7)]
	_, _ = io.WriteString(c, said)
	x.note("arrive %v %q", c.LocalAddr(), said)
}

// serve makes real servers accept all waiting connections.
func (x *random) serve() {
	for _, l := range x.backends {
		for {
			_ = l.SetDeadline(time.Now().Add(time.Millisecond / 2))
			s, err := l.AcceptTCP()
			if err != nil {
				break
			}
			x.note("accept %v", s.RemoteAddr())
			x.servers = append(x.servers, s)
		}
	}
}

// talk makes one side of a connection do something at random.
func (x *random) talk(who string, all *[]*net.TCPConn) {
	if len(*all) == 0 {
		return
	}
	i := x.IntN(len(*all))
	c := (*all)[i]
	_ = c.SetDeadline(time.Now().Add(time.Millisecond))
	n := x.IntN(9)
	x.note("%s %v: %d", who, c.LocalAddr(), n)
	switch n {
	case 0:
		_, _ = io.WriteString(c, "something")
	case 1, 2:
		_, _ = c.Write(make([]byte, 1<<x.IntN(21)))
	case 3:
		_, _ = io.CopyN(io.Discard, c, 1<<x.IntN(21))
	case 4:
		_, _ = io.Copy(io.Discard, c)
	case 5:
		_ = c.CloseWrite()
	case 6:
		x.urge(c)
	case 7:
		_ = c.SetLinger(0)
		fallthrough
	case 8:
		_ = c.Close()
		*all = append((*all)[:i], (*all)[i+1:]...)
	}
}

// urge sends an urgent byte.
func (x *random) urge(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	x.Must(err)
	_ = raw.Control(func(fd uintptr) { _ = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB|unix.MSG_DONTWAIT, nil) })
}

// reload puts other settings into force.
func (x *random) reload() {
	x.settings = virtual.Settings{Options: dataplane.Options{
		ConnectTimeout: time.Second, IdleTimeout: 20 * time.Second, QueueTimeout: 2 * time.Second,
		ProxyProtocol: x.IntN(3), Transparent: x.IntN(4) == 0 && engine.MayBindTransparent() == nil,
		UserTimeout: time.Duration(x.IntN(2)) * time.Second,
	}}
	if x.IntN(2) == 0 {
		x.settings.Trusted = anybody
	}
	x.service.Set(x.settings)
	limits := screen.Limits{Conns: x.IntN(3) * 8, Bits4: 8 + 24*x.IntN(2), Bits6: 64}
	limits.Rate = dataplane.Rate{Count: x.IntN(2) * 20, Per: time.Second}
	x.service.Screen.Set(nil, limits)
	x.note("settings %+v, %+v", x.settings, limits)
}

// reset puts other real servers into the books.
func (x *random) reset() {
	v := dataplane.VirtualService{ID: x.service.Books.Spec().ID, Scheduler: []string{"rr", "lc", "sh", "ovf", "mh"}[x.IntN(5)]}
	v.Persistent, v.PersistentBits = time.Duration(x.IntN(2))*time.Minute, 32
	v.MaxQueue = x.IntN(4)
	most := uint32(x.IntN(4))
	for _, addr := range x.addrs {
		if x.IntN(4) > 0 {
			v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addr, Weight: x.IntN(3), MaxConn: most})
		}
	}
	switch x.IntN(6) {
	case 0:
		v.RealServers = append(v.RealServers, dataplane.RealServer{Weight: 1, Sorry: true})
	case 1:
		for i := range v.RealServers {
			v.RealServers[i].Sorry = i == 0
		}
	}
	x.note("servers %+v %v %v %d", v.RealServers, v.Scheduler, v.Persistent, v.MaxQueue)
	x.service.Books.Update(v)
}

// cut wants nobody at a real server.
func (x *random) cut() {
	v := x.service.Books.Spec().Clone()
	v.Cut = []netip.AddrPort{x.addrs[x.IntN(len(x.addrs))]}
	x.note("cut %v", v.Cut)
	x.service.Books.Update(v)
	x.Worker.Stepwise(x.h.cutting(x.service), make(chan struct{}, 1))
}

// shortage has something happen while there are hardly any descriptors.
func (x *random) shortage() {
	n := x.IntN(4)
	for range x.IntN(5) {
		x.arrive()
	}
	x.note("shortage %d", n)
	lift := exhaust(x.TB.(*testing.T), n)
	if x.IntN(2) == 0 {
		x.h.accept.reserve.release()
	}
	for range 1 + x.IntN(3) {
		x.Worker.Iterate(0)
	}
	if x.IntN(2) == 0 {
		x.Pass(15 * engine.TickLength)
	}
	lift()
}

// reopen closes the listener, which serves those who are there, and opens one.
func (x *random) reopen() {
	x.note("reopen")
	x.h.accept.closeListener(x.fd)
	fd, err := engine.Bound(x.vip, stream, false)
	x.Must(err)
	x.fd = fd
	x.Must(x.h.accept.listen(fd, x.service))
}

// quiet iterates until there are no events.
func (x *random) quiet() {
	x.Helper()
	for n, calm := 0, 0; calm < 10; n++ {
		x.Worker.Iterate(0)
		if calm++; x.Worker.Events > 0 || len(x.h.relay.queue) > 0 {
			calm = 0
		} else {
			time.Sleep(time.Millisecond)
		}
		if n > 100000 {
			x.Fatal("the worker does not come to rest")
		}
	}
}

// settled sees that there is nothing left to do but wait.
func (x *random) settled() {
	x.note("settled")
	if x.h.accept.paused {
		x.Pass(3 * engine.TickLength)
	}
	x.quiet()
	x.h.conns.all(func(c *conn) {
		for from := range c.sides {
			if c.state == relaying {
				x.stuck(c, from)
			}
		}
	})
	for _, ref := range x.h.relay.queue {
		x.Errorf("%v is in the queue", ref)
	}
}

// stuck sees whether a way does not do what it could.
func (x *random) stuck(c *conn, from int) {
	src, dst, y := &c.sides[from], &c.sides[1-from], &c.ways[from]
	fds := []unix.PollFd{
		{Fd: src.fd, Events: unix.POLLIN | unix.POLLRDHUP},
		{Fd: dst.fd, Events: unix.POLLOUT},
	}
	if _, err := unix.Poll(fds, 0); err != nil || fds[1].Revents&unix.POLLOUT == 0 {
		return
	}
	if y.held > 0 || fds[0].Revents != 0 && !src.eof {
		x.Errorf("from %d: %d held, %x to read, %x to write, %+v", from, y.held, fds[0].Revents, fds[1].Revents, c)
	}
	if src.eof && !y.endPassed {
		x.Errorf("from %d: the end was not told: %+v", from, c)
	}
}

// over ends everything and sees that nothing is left.
func (x *random) over() {
	x.note("over")
	x.h.accept.closeListener(x.fd)
	for range 3 {
		x.serve()
		for _, all := range []*[]*net.TCPConn{&x.clients, &x.servers} {
			for _, c := range *all {
				_ = c.SetLinger(x.IntN(3) - 1)
				_ = c.Close()
			}
			*all = nil
		}
		x.Pass(3 * time.Second)
		x.quiet()
	}
	x.Pass(40 * time.Second)
	x.Until("all are gone", x.gone)
	x.fwd.sorry.serving.Wait()
	x.h.relay.pipes.trim(0)
	st := x.service.Books.Status()
	_, having := x.service.Screen.Sources()
	left := map[string]int{
		"places": int(x.fwd.limiter.Used()), "buffers": int(x.fwd.stashLimit.taken.Load()),
		"stashes": x.h.relay.stashes.used(), "tried": len(x.h.dialer.tried), "waiting": len(x.h.dialer.waiting),
		"named": len(x.h.named), "queue": len(x.h.relay.queue), "pipes": x.h.relay.pipes.open,
		"waiters": st.Waiting, "sources": having, "guests": len(x.fwd.sorry.conns),
		"slots": x.h.conns.slots.Used(),
	}
	if _, timers := x.h.wheel.Next(); timers {
		left["timers"] = 1
	}
	x.service.Books.Update(dataplane.VirtualService{ID: st.Service.ID, Scheduler: "rr"})
	x.Pass(time.Second)
	st = x.service.Books.Status()
	// A client that is still in the books comes back with its server.
	v := st.Service.Clone()
	for _, addr := range append(x.addrs, netip.AddrPort{}) {
		v.RealServers = append(v.RealServers, dataplane.RealServer{Addr: addr, Weight: 1})
	}
	x.service.Books.Update(v)
	for _, s := range x.service.Books.Status().Servers {
		left["active at "+s.Addr.String()] = s.Active
		left["pinned at "+s.Addr.String()] = s.Persistent
	}
	for what, n := range left {
		if n != 0 {
			x.Errorf("%s: %d are left", what, n)
		}
	}
	x.Shut()
	_ = x.Engine.Close()
}
