package sorry

import "time"

// NewImpatient is New with every time limit of a client set to d.
func NewImpatient(o Options, d time.Duration) *Server {
	return newServer(o, pace{head: d, body: d, write: d, sniff: d, linger: d, query: d})
}

// Servfail is servfail, for the fuzz tests.
func Servfail(query []byte) []byte { return servfail(query) }

// LooksLikeHTTP is 0 for no, 1 for maybe and 2 for yes.
func LooksLikeHTTP(head []byte) int { return int(looksLikeHTTP(head)) }
