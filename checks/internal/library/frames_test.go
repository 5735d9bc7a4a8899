package library

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A library may read in two goroutines: pgx does while it closes. Each byte is
// read once.
func TestFramesReadTwice(t *testing.T) {
	const messages, length = 1000, 10
	a, b := net.Pipe()
	defer a.Close()
	go func() {
		defer b.Close()
		for range messages {
			_, _ = b.Write(append([]byte{length}, make([]byte, length)...))
		}
	}()
	f := NewFrames(&Conn{Conn: a, left: 1 << 20}, 1, func(head []byte) (int, bool, error) { return int(head[0]), false, nil })
	var n atomic.Int64
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			got, _ := io.Copy(io.Discard, f)
			n.Add(got)
		})
	}
	readers.Wait()
	if got := n.Load(); got != messages*(1+length) {
		t.Errorf("%d bytes, want %d", got, messages*(1+length))
	}
}
