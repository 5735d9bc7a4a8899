package dataplane

import "context"

// The firewall marks of paths: MaxPaths of them, from FirstPathMark on
// (0x53480000 to 0x53483fff), and as many behind them for checks that are made by
// hand. No virtual service may have one.
const (
	FirstPathMark  = 0x53480000
	FirstTrialMark = FirstPathMark + MaxPaths
	MaxPaths       = 1 << 14
)

// IsPathMark reports whether a firewall mark is that of a path.
func IsPathMark(mark uint32) bool { return mark-FirstPathMark < MaxPaths }

// IsTrialMark reports whether a firewall mark is that of a path for checks by hand.
func IsTrialMark(mark uint32) bool { return mark-FirstTrialMark < MaxPaths }

// A Path leads packets of this host with a mark to a real server, in the way that
// packets of clients take.
type Path struct {
	Mark   uint32
	IPv6   bool // of the packets
	Server RealServer
}

// A Pather is a Dataplane that can send packets of this host along paths.
type Pather interface {
	// SetPaths replaces all paths by these, including those that a predecessor
	// has left. Paths are not services: Snapshot, Find and Audit do not return
	// them.
	SetPaths(ctx context.Context, paths []Path) error
}
