package dgram

import "github.com/shunt-lb/shunt/proxy/internal/virtual"

// A namedClients has the parties that trusted proxies have named, each once and with
// a number above 0 for as long as a flow holds it.
type namedClients struct {
	entries []entry
	unused  []int32
	numbers map[virtual.Parties]int32
}

type entry struct {
	who   virtual.Parties
	holds int
}

// add returns the number of who, held once more.
func (r *namedClients) add(who virtual.Parties) int32 {
	n, ok := r.numbers[who]
	if !ok {
		n = r.vacant()
		r.entries[n].who = who
		r.numbers[who] = n
	}
	r.hold(n)
	return n
}

// vacant returns an unused number.
func (r *namedClients) vacant() int32 {
	if r.numbers == nil {
		r.numbers, r.entries = map[virtual.Parties]int32{}, make([]entry, 1) // 0 is none
	}
	if last := len(r.unused) - 1; last >= 0 {
		n := r.unused[last]
		r.unused = r.unused[:last]
		return n
	}
	r.entries = append(r.entries, entry{})
	return int32(len(r.entries) - 1)
}

func (r *namedClients) at(n int32) *virtual.Parties { return &r.entries[n].who }

// hold and release do nothing with 0.
func (r *namedClients) hold(n int32) {
	if n != 0 {
		r.entries[n].holds++
	}
}

func (r *namedClients) release(n int32) {
	if n == 0 {
		return
	}
	e := &r.entries[n]
	if e.holds--; e.holds == 0 {
		delete(r.numbers, e.who)
		*e = entry{}
		r.unused = append(r.unused, n)
	}
}
