package load

// A ring is a queue of slots with room for all of them.
type ring struct {
	slots []int32
	head  int
	n     int
}

// newRing returns a ring that holds the slots 0 to n-1.
func newRing(n int) ring {
	r := ring{slots: make([]int32, n), n: n}
	for i := range r.slots {
		r.slots[i] = int32(i)
	}
	return r
}

func (r *ring) first() int32 { return r.slots[r.head] }

func (r *ring) pop() int32 {
	slot := r.slots[r.head]
	r.n--
	if r.head++; r.head == len(r.slots) {
		r.head = 0
	}
	return slot
}

func (r *ring) push(slot int32) {
	at := r.head + r.n
	if at >= len(r.slots) {
		at -= len(r.slots)
	}
	r.slots[at] = slot
	r.n++
}
