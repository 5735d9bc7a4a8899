package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// A flowKey tells the flows of a service apart.
type flowKey struct {
	client netip.AddrPort
	local  netip.Addr     // where the client sent to, if the service is on a wildcard
	server netip.AddrPort // with one-packet scheduling: each server has its flow
}

// A flow carries the datagrams of one client to one real server over a socket
// of its own, and any number of replies back.
type flow struct {
	front *udpFront
	key   flowKey
	claim table.Claim
	up    *net.UDPConn
	raw   rawConn
	last  atomic.Int64 // when something moved
	// failed says that the real server was found not to listen.
	failed atomic.Bool
}

// forward sends a datagram on its way, over a new flow if it needs one.
func (f *udpFront) forward(k flowKey, b []byte) {
	// A flow may turn out to be dead when it is used; the one made in its
	// place is fresh.
	for range 2 {
		fl := f.flow(k, b)
		if fl == nil || fl.send(b) {
			return
		}
	}
}

// flow returns the flow for k. It returns nil if there can be none, when b has
// been answered or counted as refused.
func (f *udpFront) flow(k flowKey, b []byte) *flow {
	if f.service.onePacket.Load() {
		return f.open(k, b)
	}
	if fl := f.lookup(k); fl != nil {
		if !fl.claim.Removed() {
			return fl
		}
		f.drop(fl)
	}
	return f.open(k, b)
}

func (f *udpFront) lookup(k flowKey) *flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flows[k]
}

// open makes a flow to the first real server that a socket can be had to.
func (f *udpFront) open(k flowKey, b []byte) *flow {
	var failed []*table.Server
	for !f.isDraining() {
		claim, sorry, ok := f.pick(k.client, failed)
		if !ok {
			break
		}
		if sorry {
			f.apologise(k, claim, b)
			return nil
		}
		fl, err := f.join(k, claim)
		if err == nil {
			return fl
		}
		if errors.Is(err, errCrowded) {
			claim.Done()
			break
		}
		claim.Failed()
		f.service.plane.unreached(f.service, claim, err)
		failed = append(failed, claim.Server())
	}
	f.service.table.Refused()
	return nil
}

// pick asks for a real server that has not refused lately, else for any. sorry
// says that the built-in sorry server is to answer.
func (f *udpFront) pick(client netip.AddrPort, failed []*table.Server) (c table.Claim, sorry, ok bool) {
	tried := append(f.refusing.all(), failed...)
	if c, ok = f.service.table.Pick(client, tried); !ok {
		tried = failed
		c, ok = f.service.table.Pick(client, tried)
	}
	return c, ok && f.service.sorry(c, tried), ok
}

// join returns the flow of a claim that has just been made: a new one, but
// with one-packet scheduling the one there is.
func (f *udpFront) join(k flowKey, claim table.Claim) (*flow, error) {
	if f.service.onePacket.Load() {
		k.server = claim.Addr()
		if fl := f.lookup(k); fl != nil && !fl.claim.Removed() {
			claim.Done()
			return fl, nil
		}
	}
	return f.connect(k, claim)
}

// errCrowded is that there are too many flows.
var errCrowded = errors.New("too many flows")

func (f *udpFront) connect(k flowKey, claim table.Claim) (*flow, error) {
	d := f.service.plane
	fl := &flow{front: f, key: k, claim: claim}
	fl.touch()
	if !d.flows.room() {
		return nil, errCrowded
	}
	if err := fl.dial(d.ctx); err != nil {
		return nil, err
	}
	if !d.flows.add(fl) { // another service was quicker
		_ = fl.up.Close()
		return nil, errCrowded
	}
	f.mu.Lock()
	f.flows[k] = fl
	f.mu.Unlock()
	claim.Established()
	d.work.Go(fl.replies)
	return fl, nil
}

// apologise sends the sorry server's answer, if there is one.
func (f *udpFront) apologise(k flowKey, claim table.Claim, b []byte) {
	defer claim.Done()
	r := f.service.plane.responder
	if r == nil {
		f.service.table.Refused()
		return
	}
	claim.Established()
	claim.In(1, uint64(len(b)))
	answer := r.Answer(f.service.name, b)
	if answer != nil && f.reply(k, answer) == nil {
		claim.Out(1, uint64(len(answer)))
	}
}

// drop ends a flow, so that the next datagram makes another.
func (f *udpFront) drop(fl *flow) {
	f.mu.Lock()
	if f.flows[fl.key] == fl {
		delete(f.flows, fl.key)
	}
	f.mu.Unlock()
	fl.end()
}

func (f *udpFront) isDraining() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.draining
}

func (fl *flow) dial(ctx context.Context) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", fl.claim.Addr().String())
	if err != nil {
		return err
	}
	fl.up = c.(*net.UDPConn)
	fl.raw, err = fl.up.SyscallConn()
	return err
}

func (fl *flow) touch() { fl.last.Store(fl.front.service.plane.clock.now()) }

// send reports whether the flow can be used; b may be lost all the same, as
// datagrams are.
func (fl *flow) send(b []byte) bool {
	fl.touch()
	_, err := fl.up.Write(b)
	switch {
	case err == nil:
		fl.claim.In(1, uint64(len(b)))
	case unreachable(err):
		fl.fail()
		return false
	}
	return !errors.Is(err, net.ErrClosed)
}

// replies carries what comes back until the flow has ended.
func (fl *flow) replies() {
	in := newReader(fl.raw)
	for {
		b, err := in.read()
		if err != nil {
			fl.finish(err)
			return
		}
		fl.touch()
		if fl.front.reply(fl.key, b) == nil {
			fl.claim.Out(1, uint64(len(b)))
		}
		in.release()
	}
}

// finish is the last that is heard of a flow.
func (fl *flow) finish(err error) {
	if unreachable(err) {
		fl.fail()
	}
	fl.front.drop(fl)
	if fl.failed.Load() {
		fl.claim.Failed()
		fl.front.service.plane.unreached(fl.front.service, fl.claim, err)
		return
	}
	fl.claim.Done()
}

// fail has the real server avoided and the flow ended.
func (fl *flow) fail() {
	fl.failed.Store(true)
	fl.front.refusing.add(fl.claim.Server())
	fl.front.drop(fl)
}

// end closes the socket, on which replies then finishes.
func (fl *flow) end() {
	fl.front.service.plane.flows.remove(fl)
	_ = fl.up.Close()
}

// unreachable reports whether err is what an ICMP message made of a socket.
func unreachable(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH)
}
