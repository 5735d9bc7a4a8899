package dataplanetest

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

// A toy is the smallest dataplane that keeps every promise, and does not keep
// those that belong to its fault. It is made to be read, not to be quick.
type toy struct {
	fault    string
	registry *registry
	work     sync.WaitGroup
	apply    sync.Mutex // for "one at a time"
	mu       sync.Mutex
	writes   uint64
	closed   bool
	services map[dataplane.ServiceID]*toyService

	removed map[dataplane.ServiceID]bool
	left    []*toyService // removed ones that go on
	past    []*toyService // removed ones
}

// A registry is where the toys of one lab see each other, which none should.
type registry struct {
	mu   sync.Mutex
	toys []*toy
}

// A toyService is a service of a toy. The toy's lock guards it.
type toyService struct {
	*toy
	want   dataplane.VirtualService
	ln     *net.TCPListener
	pc     *net.UDPConn
	at     int  // the real server that was taken last
	closed bool // it does not listen any more
	level  int  // of wrr
	total  dataplane.Counters
	reals  map[netip.AddrPort]*toyReal
	pins   map[netip.Prefix]*toyPin
	conns  map[*toyConn]bool
	flows  map[netip.AddrPort]*toyFlow
}

// A toyReal is what a toy knows of a real server, configured or not.
type toyReal struct {
	counters dataplane.Counters
	active   int
	full     bool
}

type toyPin struct {
	to    netip.AddrPort
	until time.Time
}

func newToy(fault string, l *registry) *toy {
	t := &toy{fault: fault, registry: l, services: map[dataplane.ServiceID]*toyService{}, removed: map[dataplane.ServiceID]bool{}}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.toys = append(l.toys, t)
	return t
}

// is reports whether the toy has the fault.
func (t *toy) is(fault string) bool { return t.fault == fault }

func (t *toy) Writes() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.writes
}

func (t *toy) Apply(ctx context.Context, want dataplane.VirtualService) error {
	if t.is("one at a time") {
		if !t.apply.TryLock() {
			return errors.New("busy")
		}
		defer t.apply.Unlock()
		time.Sleep(time.Millisecond)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed && !t.is("works when closed") {
		return dataplane.ErrClosed
	}
	s := t.services[want.ID]
	if err := ctx.Err(); err != nil {
		if s == nil && t.is("believes cancelled") {
			t.services[want.ID] = t.service(want)
		}
		return err
	}
	if s != nil && s.want.Equal(want) && !t.is("writes equal") {
		return nil
	}
	if !t.is("keeps reference") {
		want = want.Clone()
	}
	t.writes++
	if s == nil {
		return t.add(want)
	}
	return s.change(want)
}

func (t *toy) add(want dataplane.VirtualService) error {
	if len(t.services) > 0 && t.is("serves one") || t.removed[want.ID] && t.is("applies once") {
		return nil
	}
	s := t.service(want)
	if t.is("believes failed") {
		t.services[want.ID] = s
	}
	if err := s.listen(); err != nil {
		return &dataplane.OpError{Op: "listen", Service: want.ID, Err: err}
	}
	t.services[want.ID] = s
	return nil
}

func (t *toy) service(want dataplane.VirtualService) *toyService {
	return &toyService{
		toy: t, want: want, at: -1, reals: map[netip.AddrPort]*toyReal{}, pins: map[netip.Prefix]*toyPin{},
		conns: map[*toyConn]bool{}, flows: map[netip.AddrPort]*toyFlow{},
	}
}

func (s *toyService) listen() (err error) {
	s.closed = false
	if s.want.ID.Protocol == dataplane.UDP {
		if s.pc, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.want.ID.Addr)); err == nil {
			s.work.Go(func() { s.receive(s.pc) })
		}
		return err
	}
	if s.ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(s.want.ID.Addr)); err == nil {
		s.work.Go(func() { s.accept(s.ln) })
	}
	return err
}

func (s *toyService) change(want dataplane.VirtualService) error {
	switch {
	case s.is("never changes"):
		return nil
	case s.is("ignores weights"):
		for i := range want.RealServers {
			want.RealServers[i].Weight = 1
		}
	case s.is("gap on change"):
		s.shut()
		s.want = want
		return s.listen()
	case s.is("starts over"):
		s.total = dataplane.Counters{}
	}
	s.want = want
	for addr := range s.reals {
		if s.is("forgets who leaves") && s.index(addr) < 0 {
			delete(s.reals, addr)
		}
	}
	s.at, s.level = -1, 0
	for c := range s.conns {
		i := s.index(c.to)
		if s.is("cuts on change") || i < 0 && s.is("cuts removed") || i >= 0 && s.is("cuts quiescent") && want.RealServers[i].Weight == 0 {
			c.close()
		}
	}
	for client, f := range s.flows {
		i := s.index(f.to)
		if i < 0 && !s.is("flows stick") || i >= 0 && want.RealServers[i].Weight == 0 && s.is("moves flows") {
			_ = f.Close()
			delete(s.flows, client)
		}
	}
	return nil
}

// index returns which of the configured real servers addr is, or -1.
func (s *toyService) index(addr netip.AddrPort) int {
	return slices.IndexFunc(s.want.RealServers, func(r dataplane.RealServer) bool { return r.Addr == addr })
}

func (s *toyService) shut() {
	s.closed = true
	if s.ln != nil {
		_ = s.ln.Close()
	}
	if s.pc != nil {
		_ = s.pc.Close()
	}
	for client, f := range s.flows {
		_ = f.Close()
		delete(s.flows, client)
	}
}

func (t *toy) Remove(_ context.Context, id dataplane.ServiceID) error {
	if t.is("removes foreign") {
		t.evict(id)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return dataplane.ErrClosed
	}
	s := t.services[id]
	if s == nil {
		if t.is("minds unknown") {
			return net.ErrClosed
		}
		return nil
	}
	if t.is("goes on") {
		t.left = append(t.left, s)
	} else {
		s.shut()
	}
	delete(t.services, id)
	t.past = append(t.past, s)
	t.removed[id] = true
	return nil
}

func (t *toy) evict(id dataplane.ServiceID) {
	t.registry.mu.Lock()
	defer t.registry.mu.Unlock()
	for _, other := range t.registry.toys {
		if other != t {
			other.mu.Lock()
			if s := other.services[id]; s != nil {
				s.shut()
				delete(other.services, id)
			}
			other.mu.Unlock()
		}
	}
}

// Look implements dataplane.Looker.
func (t *toy) Look(ctx context.Context, id dataplane.ServiceID) (dataplane.ServiceStatus, error) {
	all, err := t.Snapshot(ctx)
	for _, st := range all {
		if st.Service.ID == id || t.is("looks at another") {
			return st, err
		}
	}
	return dataplane.ServiceStatus{}, err
}

func (t *toy) Snapshot(context.Context) ([]dataplane.ServiceStatus, error) {
	var all []dataplane.ServiceStatus
	if t.is("lists foreign") {
		t.registry.mu.Lock()
		defer t.registry.mu.Unlock()
		for _, other := range t.registry.toys {
			if other != t {
				all = append(all, other.list()...)
			}
		}
	}
	all = append(all, t.list()...)
	slices.SortFunc(all, func(a, b dataplane.ServiceStatus) int { return a.Service.ID.Compare(b.Service.ID) })
	if t.is("unordered") {
		slices.Reverse(all)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, dataplane.ErrClosed
	}
	return all, nil
}

func (t *toy) list() []dataplane.ServiceStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []dataplane.ServiceStatus
	for _, s := range t.services {
		st := dataplane.ServiceStatus{Service: s.want, Counters: s.total}
		if !t.is("lends memory") {
			st.Service = s.want.Clone()
		}
		for _, r := range s.want.RealServers {
			real := s.real(r.Addr)
			if t.is("hides thresholds") {
				r.Upper, r.Lower = 0, 0
			}
			st.Servers = append(st.Servers, dataplane.ServerStatus{
				RealServer: r, Counters: real.counters, Active: real.active, Persistent: s.pinned(r.Addr),
			})
		}
		all = append(all, st)
	}
	return all
}

func (t *toy) Close() error {
	t.mu.Lock()
	if t.closed && t.is("minds closing twice") {
		t.mu.Unlock()
		return dataplane.ErrClosed
	}
	t.closed = true
	for _, s := range append(t.left, slices.Collect(maps.Values(t.services))...) {
		s.shut()
		for c := range s.conns {
			if !t.is("lets go on") {
				c.close()
			}
		}
	}
	t.mu.Unlock()
	if !t.is("lets go on") {
		t.work.Wait()
	}
	return nil
}

func (t *toy) End(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ending := slices.Clone(t.past)
	if t.is("ends all") {
		ending = append(ending, slices.Collect(maps.Values(t.services))...)
	}
	for _, s := range ending {
		for c := range s.conns {
			if !t.is("ends nobody") {
				c.close()
			}
		}
	}
	return nil
}

func (t *toy) Drain(ctx context.Context) error {
	t.mu.Lock()
	for _, s := range t.services {
		if !t.is("drains half") {
			s.shut()
		}
		for c := range s.conns {
			if t.is("drains by force") {
				c.close()
			}
		}
	}
	t.mu.Unlock()
	for {
		if t.idle() || t.is("does not wait") {
			return nil
		}
		select {
		case <-ctx.Done():
			if !t.is("waits for ever") || t.ended() {
				return ctx.Err()
			}
			time.Sleep(time.Millisecond)
		case <-time.After(time.Millisecond):
		}
	}
}

func (t *toy) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

func (t *toy) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.services {
		if len(s.conns) > 0 {
			return false
		}
	}
	return true
}
