package dataplane

// A Load is what a dataplane that makes the connections to real servers itself
// carries as a whole. Its counters only ever grow.
type Load struct {
	Connections Room `json:"connections"` // TCP
	Flows       Room `json:"flows"`       // UDP
	// Buffers are bytes held for those who read slowly. What is refused here is
	// a single read, which then is made in a slower way.
	Buffers Room `json:"buffers"`
	// Evicted are flows that have given way to others before their time.
	Evicted uint64 `json:"evicted_flows"`
	// Pauses are moments in which nobody was taken in because the host had no
	// descriptors or no memory.
	Pauses uint64 `json:"accept_pauses"`
	// Forgotten are sources of clients whose rate began anew before its time,
	// because there were too many.
	Forgotten uint64 `json:"forgotten_sources"`
}

// A Room is how much there is now of something that is bounded.
type Room struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"`
	// Refused is how often there was no room.
	Refused uint64 `json:"refused"`
}

// Full reports whether there is no room.
func (r Room) Full() bool { return r.Used >= r.Limit }
