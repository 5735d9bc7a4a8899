package dgram

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// Clients that do not exist get no more memory than the bound allows, and who
// is at work keeps its flow.
func TestFlood(t *testing.T) {
	bound, clients := 2000, 40000 // each takes a port of this host, of which others need some, too
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil || files.Cur < 3000 {
		bound, clients = 500, 10000
	}
	q := newFixture(t, "127.0.0.1", bound)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	worker := q.client()
	from := q.ask(worker, s, "first")
	q.reply(worker, s, from, "answer")
	flood := q.senders()
	send := func(n int) {
		for end := flood.next + uint32(n); flood.next < end; {
			flood.send(batchSize)
			q.Worker.Iterate(0)
			q.Now += 4 * engine.TickLength * batchSize / time.Duration(bound) // the bound is there in four ticks
			if flood.next%(uint32(bound/160)*batchSize) == 0 {
				q.write(worker, []byte("at work"))
				q.Worker.Iterate(0)
			}
		}
	}
	send(2 * bound)
	before := heap()
	most := q.flows()
	send(clients - 2*bound)
	if most != bound || q.flows() > bound {
		t.Errorf("%d and then %d flows, want %d", most, q.flows(), bound)
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("the heap has grown by %d bytes from one flood to the next", grown)
	}
	if slots := int(q.h.flows.slots.Size()); slots > bound+engine.ChunkSize {
		t.Errorf("%d slots for %d flows", slots, bound)
	}
	if q.h.flows.index.count != q.flows() {
		t.Errorf("%d flows in the index, want %d", q.h.flows.index.count, q.flows())
	}
	q.reply(worker, s, from, "still there")
	if c := q.service.Books.Status(); c.Servers[0].Active != q.flows() {
		t.Errorf("the books have %d flows, want %d", c.Servers[0].Active, q.flows())
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The path of datagrams allocates nothing.
func TestNoAllocation(t *testing.T) {
	q := newFixture(t, "127.0.0.1", 10)
	s := q.socket("127.0.0.1")
	q.service.Books.Update(spec(addrOf(s)))
	c := q.client()
	from := q.ask(c, s, "first")
	_, _ = c.SetDeadline(time.Now().Add(time.Minute)), s.SetDeadline(time.Now().Add(time.Minute))
	buffer := make([]byte, 100)
	turn := func() {
		for range 3 {
			q.Worker.Iterate(0)
		}
	}
	allocs := testing.AllocsPerRun(200, func() {
		for range 3 { // a run, and answers that are one
			_, _ = c.Write(buffer)
		}
		turn()
		for range 3 {
			_, _ = s.Read(buffer)
			_, _ = s.WriteToUDPAddrPort(buffer, from)
		}
		turn()
		for range 3 {
			_, _ = c.Read(buffer)
		}
		q.Now += engine.TickLength
	})
	if allocs > 0 {
		t.Errorf("%v allocations for an exchange, want none", allocs)
	}
}
