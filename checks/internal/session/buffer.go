package session

import (
	"errors"
	"sync"
	"sync/atomic"
)

const (
	// MaxHeld is how much of an answer one Buffer holds, in bytes.
	MaxHeld = 64 << 10
	// maxHeldByAll is how much all Buffers hold together, in bytes.
	maxHeldByAll = 64 << 20
)

var (
	heldByAll atomic.Int64
	classes   = [...]class{newClass(4 << 10), newClass(16 << 10), newClass(MaxHeld)}
)

// ErrMemory is the error of an answer for which all Buffers together hold too
// much. It says nothing about the answer.
var ErrMemory = errors.New("no memory is left for answers")

// Held returns how much all Buffers hold together, in bytes.
func Held() int64 { return heldByAll.Load() }

// A class has memory of one size for Buffers.
type class struct {
	size int
	pool *sync.Pool // of *[]byte
}

func newClass(size int) class {
	return class{size, &sync.Pool{New: func() any {
		b := make([]byte, 0, size)
		return &b
	}}}
}

// A Buffer keeps the part of an answer that cannot be judged alone. Its memory
// is borrowed: a Session releases it when its conversation ends. The zero value
// is empty.
type Buffer struct {
	memory *[]byte
	class  int
}

// Bytes returns what is held. It is valid until the next Append or Release.
func (b *Buffer) Bytes() []byte {
	if b.memory == nil {
		return nil
	}
	return *b.memory
}

// Append adds a copy of p. It returns false and adds nothing if b would hold
// more than MaxHeld, or all Buffers together too much.
func (b *Buffer) Append(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	n := len(b.Bytes()) + len(p)
	if (b.memory == nil || n > cap(*b.memory)) && !b.grow(n) {
		return false
	}
	*b.memory = append(*b.memory, p...)
	return true
}

// grow has room for n bytes.
func (b *Buffer) grow(n int) bool {
	for i, c := range classes {
		if c.size < n {
			continue
		}
		if heldByAll.Add(int64(c.size)) > maxHeldByAll {
			heldByAll.Add(-int64(c.size))
			return false
		}
		memory := c.pool.Get().(*[]byte)
		*memory = append((*memory)[:0], b.Bytes()...)
		b.Release()
		b.memory, b.class = memory, i
		return true
	}
	return false
}

// Release gives the memory back and leaves b empty.
func (b *Buffer) Release() {
	if b.memory == nil {
		return
	}
	heldByAll.Add(-int64(classes[b.class].size))
	classes[b.class].pool.Put(b.memory)
	b.memory = nil
}
