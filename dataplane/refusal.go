package dataplane

import (
	"encoding/json"
	"fmt"
	"slices"
)

// A Refusal is the reason why a client was not given a real server.
type Refusal uint8

// The reasons for which clients are refused.
const (
	Unusable    Refusal = iota // no real server may be given clients
	Unreachable                // none of those that were tried could be reached
	Queued                     // all were full, and the client could not wait, or waited in vain
	Bound                      // a bound of shunt or of the host was reached
	Portless                   // no local port was free
)

// refusals are the words for them, in order.
var refusals = [...]string{"unusable", "unreachable", "queue", "bound", "ports"}

func (r Refusal) String() string {
	if int(r) < len(refusals) {
		return refusals[r]
	}
	return fmt.Sprintf("Refusal(%d)", uint8(r))
}

// Refusals count the refused clients by reason. In JSON they are an object with
// the words for the reasons.
type Refusals [len(refusals)]uint64

// Sum returns how many there are in all.
func (rs Refusals) Sum() (n uint64) {
	for _, one := range rs {
		n += one
	}
	return n
}

// Add returns the sums of rs and others, reason by reason.
func (rs Refusals) Add(others Refusals) Refusals {
	for i, n := range others {
		rs[i] += n
	}
	return rs
}

// MarshalJSON implements json.Marshaler.
func (rs Refusals) MarshalJSON() ([]byte, error) {
	m := map[string]uint64{}
	for i, n := range rs {
		m[refusals[i]] = n
	}
	return json.Marshal(m)
}

// UnmarshalJSON implements json.Unmarshaler. Reasons that it does not know are
// left out.
func (rs *Refusals) UnmarshalJSON(b []byte) error {
	var m map[string]uint64
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	for word, n := range m {
		if i := slices.Index(refusals[:], word); i >= 0 {
			rs[i] = n
		}
	}
	return nil
}
