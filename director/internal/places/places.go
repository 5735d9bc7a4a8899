// Package places spreads what is repeated at the same interval over that
// interval, evenly, however many there are and whoever comes and goes.
package places

import "math"

// ratio is the golden ratio: the parts of its multiples are spread evenly,
// wherever the sequence ends (a sequence of low discrepancy).
const ratio = math.Phi - 1

// Places gives out places in an interval. The zero value has given out none.
type Places struct {
	free []int // below next, a heap with the lowest first
	next int
}

// Take returns the number of a place that nobody has: the lowest, so that those
// who come fill the gaps of those who went.
func (p *Places) Take() int {
	if len(p.free) == 0 {
		p.next++
		return p.next - 1
	}
	lowest := p.free[0]
	last := len(p.free) - 1
	p.free[0], p.free = p.free[last], p.free[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && p.free[child+1] < p.free[child] {
			child++
		}
		if child >= last || p.free[i] <= p.free[child] {
			return lowest
		}
		p.free[i], p.free[child] = p.free[child], p.free[i]
		i = child
	}
}

// Leave gives a place back.
func (p *Places) Leave(place int) {
	p.free = append(p.free, place)
	for i := len(p.free) - 1; i > 0 && p.free[i] < p.free[(i-1)/2]; i = (i - 1) / 2 {
		p.free[i], p.free[(i-1)/2] = p.free[(i-1)/2], p.free[i]
	}
}

// Part returns where a place is in its interval, at least 0 and less than 1.
func Part(place int) float64 {
	_, part := math.Modf(float64(place) * ratio)
	return part
}
