package wire

import (
	"time"

	"github.com/shunt-lb/shunt/internal/netlab"
)

// Director is the Real of a point that belongs to the director.
const Director = -1

// A Point is a link to watch.
type Point struct {
	In   *netlab.Namespace
	Link string
	Real int // number of the real server it belongs to, or Director
}

// Options say what to watch and how. Everything but Service may be left out.
type Options struct {
	Service Service
	// Snap is how many bytes of a frame are kept; 0 is 256. Checksums of
	// longer packets cannot be verified.
	Snap int
	// Ring is the size of the kernel's buffer for each link in bytes; 0 is
	// 16 MiB.
	Ring int
	// Limit is how many packets are kept of each link; 0 is one million.
	// Those above it count as dropped.
	Limit int
	// Settle is for how long a link has to be silent before Stop takes the
	// traffic for over; 0 is 100 ms.
	Settle time.Duration
}
