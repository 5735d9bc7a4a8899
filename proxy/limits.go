package proxy

import "golang.org/x/sys/unix"

// Limits bound what a Dataplane carries at a time, over all services. A field
// that is 0 or below is derived from the number of descriptors the process
// may open (RLIMIT_NOFILE) when the Dataplane is made.
type Limits struct {
	// Connections is the number of TCP connections, at two descriptors each.
	// Those beyond it are reset and counted as refused. The default takes six tenths of the descriptors
	// and is 262,144 at most.
	Connections int
	// Flows is the number of UDP flows, at one descriptor each. A new one
	// beyond it takes the place of another, the one that has been silent
	// longest: of those to which nothing has come back yet, for 200 milliseconds
	// at least; else of those that have had an answer and no more; else, for
	// a second at least, of those whose client went on after one. If there is
	// none the datagram is dropped and counted as refused. The default takes two tenths of the descriptors and is
	// 65,536 at most.
	Flows int
}

const (
	maxConnections = 1 << 18
	maxFlows       = 1 << 16
)

// within puts in the defaults for a process that may open so many files. What
// they leave over is for listeners, splicing, and whatever else it does.
func (l Limits) within(files int) Limits {
	if l.Connections <= 0 {
		l.Connections = clamp(files*6/10/2, maxConnections)
	}
	if l.Flows <= 0 {
		l.Flows = clamp(files*2/10, maxFlows)
	}
	return l
}

// pipes returns how many there may be, at two descriptors each, for streams.
func pipes(files int) int { return max(1, files/20) }

// openFiles returns how many descriptors the process may have.
func openFiles() int {
	var rl unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &rl); err != nil {
		return 1024 // what Linux starts a process with
	}
	return int(min(rl.Cur, 1<<30))
}

func clamp(n, most int) int { return max(1, min(n, most)) }
