package proxy

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/dgram"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/stream"
)

// Limits bound the load of a Dataplane, over all services. A field that is 0 or
// below is derived, when the limits are set, from the number of descriptors that the
// process may open (RLIMIT_NOFILE) and the memory that it may use.
type Limits struct {
	// Connections is the number of TCP connections, at two descriptors each.
	// Clients beyond it wait in the backlog. The default takes six tenths of the
	// descriptors and 16 KiB of memory for each, and is 262,144 at most.
	Connections int
	// Flows is the number of UDP flows, at one descriptor and one local port
	// each: there are no more than what Connections leaves of eight tenths of the
	// descriptors, two tenths of them at least, and seven eighths of the ports that
	// the kernel chooses from. A new one beyond it takes the place of another, the
	// one that has been silent longest: of those to which nothing has come back yet,
	// for 200 milliseconds at least; else of those that have had an answer and no
	// more; else, for a second at least, of those whose client went on after one. If
	// there is none the datagram is dropped and counted as refused. The default takes
	// two tenths of the descriptors and 32 KiB of memory for each, and is 65,536 at
	// most.
	Flows int
	// Buffers is the memory in bytes for what has been read and its receiver
	// has not taken, in pieces of 64 KiB. Beyond it, what a receiver does not
	// take stays in the socket that it came from, which costs a system call
	// for each read. The default is an eighth of the memory.
	Buffers int64
}

const (
	maxConnections = 1 << 18
	maxFlows       = 1 << 16
	// The memory of a connection and of a flow with their sockets, at little
	// traffic.
	perConnection = 16 << 10
	perFlow       = 32 << 10
)

// Files returns the number of descriptors that a process needs to reach l. The rest
// beside connections and flows is for listeners, splicing and all else.
func (l Limits) Files() int { return (2*max(0, l.Connections) + max(0, l.Flows)) * 10 / 8 }

// bounds are the bounds of stream and of dgram.
type bounds struct {
	stream stream.Bounds
	dgram  dgram.Bounds
}

// within sets the defaults for a process that may open files descriptors and use
// memory bytes.
func (l Limits) within(files int, memory int64) bounds {
	b := bounds{
		stream.Bounds{Connections: l.Connections, Buffers: l.Buffers},
		dgram.Bounds{FlowsAsked: max(0, l.Flows)},
	}
	if b.stream.Connections <= 0 {
		b.stream.Connections = clamp(min(files*6/10/2, int(memory/perConnection)), maxConnections)
	}
	b.dgram.Flows, b.dgram.FlowsBy = l.flows(files, memory)
	if b.stream.Buffers <= 0 {
		b.stream.Buffers = max(1, memory/8)
	}
	return b
}

// flows returns the limit of flows without regard to ports, and its reason.
func (l Limits) flows(files int, memory int64) (n int, by dataplane.Scarcity) {
	n = l.Flows
	byFiles := clamp(max(files*2/10, files*8/10-2*max(0, l.Connections)), math.MaxInt)
	if n <= 0 {
		n, byFiles = maxFlows, clamp(files*2/10, maxFlows)
		if byMemory := clamp(int(memory/perFlow), maxFlows); byMemory < n {
			n, by = byMemory, dataplane.Memory
		}
	}
	if byFiles < n {
		n, by = byFiles, dataplane.Files
	}
	return n, by
}

// bounds returns the bounds of l on this machine.
func (l Limits) bounds() bounds { return l.within(OpenFiles(), memory()) }

// FlowPorts returns how many flows the local ports of this host allow, and how
// many ports there are.
func FlowPorts() (flows, ports int) {
	p := engine.LocalPorts()
	return p.ForFlows(), p.Count()
}

// SetLimits sets other limits than those of [Options]. Existing connections and
// flows stay. While there are too many no new one is accepted, and each new flow
// ends idle ones.
func (d *Dataplane) SetLimits(l Limits) {
	b := l.bounds()
	d.tcp.Bound(b.stream)
	d.udp.Bound(b.dgram)
}

// Load returns the present load, over all services.
func (d *Dataplane) Load() dataplane.Load {
	l := dataplane.Load{Flows: d.udp.Load(), Evicted: d.udp.Evictions(), Pauses: d.AcceptPauses()}
	l.Connections, l.Buffers = d.tcp.Load()
	l.Worker, l.LoopAge = d.engine.LoopAge()
	d.mu.Lock()
	defer d.mu.Unlock()
	l.EvictedSources = d.evictedSources
	for _, s := range d.services {
		l.EvictedSources += s.shared.Screen.Evicted()
	}
	return l
}

// pipes returns the limit of pipes for splicing, at two descriptors each.
func pipes(files int) int { return max(1, files/20) }

// OpenFiles returns how many descriptors this process may have. Go raises the
// limit to the hard one when a program starts.
func OpenFiles() int {
	var rl unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &rl); err != nil {
		return 1024 // what Linux starts a process with
	}
	return int(min(rl.Cur, 1<<30))
}

func clamp(n, most int) int { return max(1, min(n, most)) }
