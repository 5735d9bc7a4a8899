// Package request is what a real server asks for by its checks.
package request

import (
	"fmt"
	"math"
	"strings"

	"github.com/shunt-lb/shunt/checks"
)

// A Request is what a real server asks for by its checks, beside their verdicts.
// The zero value is nothing, and so is nil.
type Request struct {
	Weight checks.Weight // of the weight that is configured; the zero value is all of it
	Set    bool          // Weight counts
	Admin  checks.Admin  // Drain or Maint, or "" for neither
	Why    string
}

// Add takes in what one check has found out, and leaves the rest as it was.
func (q *Request) Add(n *checks.Note) {
	if n.Weight != nil {
		q.Weight, q.Set = *n.Weight, true
	}
	switch n.Admin {
	case "":
	case checks.Ready:
		q.Admin = ""
	default:
		q.Admin = n.Admin
	}
	if n.Weight != nil || n.Admin != "" {
		q.Why = n.Why
	}
}

// Kept returns a request to be kept, nil for nothing.
func (q Request) Kept() *Request {
	if q == (Request{}) {
		return nil
	}
	asked := q // on the heap only now
	return &asked
}

// Maint reports whether a real server wants to be in maintenance.
func (q *Request) Maint() bool { return q != nil && q.Admin == checks.Maint }

// Join takes in what another check asks for beside it, of the weight that is
// configured: maint goes before drain, a smaller weight before a larger one.
func (q *Request) Join(o *Request, configured int) {
	if o.Set && (!q.Set || o.share(configured) < q.share(configured)) {
		q.Weight, q.Set, q.Why = o.Weight, true, o.Why
	}
	if o.Admin == checks.Maint || o.Admin != "" && q.Admin == "" {
		q.Admin, q.Why = o.Admin, o.Why
	}
}

// Weigh returns the weight that a request makes of the configured one. A configured
// weight of 0 is the operator's and stays 0; a weight above 0 stays above, unless the
// request is for 0.
func (q *Request) Weigh(configured int) int {
	if q != nil && q.Admin != "" {
		return 0
	}
	return q.share(configured)
}

// share is Weigh without regard to drain and maint.
func (q *Request) share(configured int) int {
	switch {
	case configured == 0:
		return 0
	case q == nil || !q.Set:
		return configured
	case !q.Weight.Percent:
		return min(q.Weight.N, math.MaxUint16)
	case q.Weight.N == 0:
		return 0
	}
	return min(max(1, (configured*q.Weight.N+50)/100), math.MaxUint16)
}

// String says what is asked for, "" for nothing.
func (q *Request) String() string {
	if q == nil {
		return ""
	}
	var parts []string
	if q.Admin != "" {
		parts = append(parts, string(q.Admin))
	}
	if q.Set && q.Weight.Percent && q.Weight.N != 100 {
		parts = append(parts, fmt.Sprintf("weight %d%%", q.Weight.N))
	} else if q.Set && !q.Weight.Percent {
		parts = append(parts, fmt.Sprintf("weight %d", q.Weight.N))
	}
	if q.Why != "" && len(parts) > 0 {
		return strings.Join(parts, ", ") + " (" + q.Why + ")"
	}
	return strings.Join(parts, ", ")
}
