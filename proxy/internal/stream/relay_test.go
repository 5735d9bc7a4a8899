package stream

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// descriptor returns the socket of c, for calls that allocate nothing.
func descriptor(t testing.TB, c *net.TCPConn) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := raw.Control(func(fd uintptr) { n = int(fd) }); err != nil {
		t.Fatal(err)
	}
	return n
}

// carry has the worker bring n bytes from one socket to the other.
func (r *fixture) carry(from, to int, b, got []byte) {
	for sent, n := 0, 0; n < len(b); {
		// A machine that is short of memory may take a part at a time.
		if m, err := unix.Write(from, b[sent:]); m > 0 {
			sent += m
		} else if err != nil && err != unix.EAGAIN {
			r.Fatal(err)
		}
		r.Worker.Iterate(1) // less than a lot waits until nothing happens
		if m, _ := unix.Read(to, got); m > 0 {
			n += m
		}
	}
}

func TestNoAllocations(t *testing.T) {
	l, addr := listen(t)
	for _, size := range []int{1, 1000, engine.BufferSize, 3 * engine.BufferSize} {
		r := newFixture(t, addr)
		c, s := r.pair(l)
		from, to := descriptor(t, c), descriptor(t, s)
		b, got := make([]byte, size), make([]byte, size)
		if n := testing.AllocsPerRun(100, func() {
			r.carry(from, to, b, got)
			r.carry(to, from, b, got)
			r.Now += engine.TickLength / 4
		}); n != 0 {
			t.Errorf("%d bytes there and back: %v allocations", size, n)
		}
	}
}

// A connection whose client does not read keeps what it holds, its server is
// held back, and its end comes last.
func TestEndWaitsForWhatIsHeld(t *testing.T) {
	for _, tt := range []struct {
		name  string
		piece int // what is written at a time
		pipe  bool
	}{
		{"stash", 30_000, false},
		{"pipe", 8 << 20, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, addr := listen(t)
			r := newFixture(t, addr)
			c, s := r.pair(l)
			_ = unix.SetsockoptInt(int(r.only().sides[client].fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 128<<10)
			h := sha256.New()
			noise := rand.NewChaCha8([32]byte{})
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for n := 0; n < 8<<20; n += tt.piece {
					b := make([]byte, tt.piece)
					_, _ = noise.Read(b)
					_, _ = h.Write(b)
					_, _ = s.Write(b)
					if !tt.pipe {
						time.Sleep(time.Millisecond) // pieces, not a stream
					}
				}
				_ = s.CloseWrite()
			}()
			r.Until("something is held", func() bool {
				y := &r.only().ways[server]
				if tt.pipe {
					y.full = spliceAfter // however its pieces arrive
				}
				return y.held > 0 && y.pipe.there() == tt.pipe
			})
			if r.only().ways[server].endPassed {
				t.Error("the client has been told the end with something held for it")
			}
			got := sha256.New()
			done := make(chan error, 1)
			go func() {
				_, err := io.Copy(got, c)
				done <- err
			}()
			r.Until("the end", func() bool {
				select {
				case err := <-done:
					return err == nil
				default:
					return false
				}
			})
			<-sent
			if !bytes.Equal(got.Sum(nil), h.Sum(nil)) {
				t.Error("what arrived is not what was sent")
			}
			_ = c.Close()
			r.Until("the connection is over", r.gone)
			if r.h.relay.pipes.open != len(r.h.relay.pipes.spare) {
				t.Errorf("%d pipes are open and %d of them given back", r.h.relay.pipes.open, len(r.h.relay.pipes.spare))
			}
			if r.h.relay.stashes.used() != 0 {
				t.Error("a stash was not given back")
			}
		})
	}
}

// TestUrgentByte: the bytes behind an urgent byte are read without an event.
func TestUrgentByte(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, s := r.pair(l)
	sendUrgent(t, c, "ab!")
	_, err := c.Write([]byte("cd"))
	r.Must(err)
	r.Must(c.CloseWrite())
	go func() { _ = s.CloseWrite() }()
	if got, err := r.receive(s); string(got) != "ab!cd" || err != nil {
		t.Errorf("%q and %v arrived, want all of it in its place", got, err)
	}
}

// An urgent byte in a stream ends neither the splicing of it nor the stream.
func TestUrgentByteInStream(t *testing.T) {
	const size = 2 << 20
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, s := r.pair(l)
	go func() {
		_, _ = c.Write(make([]byte, size))
		sendUrgent(t, c, "!")
		_, _ = c.Write(make([]byte, size))
		_ = c.CloseWrite()
	}()
	go func() { _ = s.CloseWrite() }()
	if got, err := r.receive(s); len(got) != 2*size+1 || bytes.IndexByte(got, '!') != size || err != nil {
		t.Errorf("%d bytes and %v arrived, want all of it in its place", len(got), err)
	}
}

// An event for a connection that is over does nothing to the one that has its
// place now.
func TestStaleEvent(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, _ := r.pair(l)
	old := r.only().ref()
	_ = c.SetLinger(0)
	_ = c.Close()
	r.Until("the connection is over", r.gone)
	_, _ = r.pair(l)
	if now := r.only().ref(); now.Index != old.Index {
		t.Fatalf("place %d, want %d again", now.Index, old.Index)
	}
	r.h.handle(old, client, unix.EPOLLERR|unix.EPOLLHUP)
	if c := r.only(); c.state != relaying || c.sides[client].broken {
		t.Error("the event of another connection was taken for its own")
	}
}

// Streams and requests change places: after little at a time a stream is
// copied again.
func TestSpliceBothWays(t *testing.T) {
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, s := r.pair(l)
	_ = c.SetWriteBuffer(4 << 20)
	y := func() *way { return &r.only().ways[client] }
	got := make(chan int, 1)
	read := func(n int) {
		go func() {
			n, _ := io.ReadFull(s, make([]byte, n))
			got <- n
		}()
		r.Until("it arrives", func() bool { return len(got) > 0 })
		if m := <-got; m != n {
			t.Fatalf("%d bytes arrived, want %d", m, n)
		}
	}
	// On a busy machine the worker may keep up with whoever writes, and never
	// find a full buffer.
	for tries := 0; r.h.relay.pipes.open == 0; tries++ {
		if tries == 50 {
			t.Fatal("a stream was copied")
		}
		go func() { _, _ = c.Write(make([]byte, 1<<20)) }()
		read(1 << 20)
	}
	for range 3 {
		_, _ = c.Write([]byte("x"))
		read(1)
	}
	if y().full != 0 || y().pipe.there() {
		t.Error("single bytes are spliced")
	}
}

// The kernel may take a part of what is in a pipe although there is room for
// all of it, and says nothing when that has been taken.
func TestSplicePart(t *testing.T) {
	defer func(n int) { spliceMost = n }(spliceMost)
	spliceMost = 1 << 10
	l, addr := listen(t)
	r := newFixture(t, addr)
	c, s := r.pair(l)
	want := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(want)
	go func() {
		_, _ = s.Write(want)
		_ = s.CloseWrite()
	}()
	if got, err := r.receive(c); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d are there: %v", len(got), len(want), err)
	}
}
