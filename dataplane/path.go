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

// A Path takes packets of this host with a mark to a real server, as packets of
// clients go there.
type Path struct {
	Mark   uint32
	IPv6   bool // of the packets
	Server RealServer
}

// A Pather is a Dataplane that can send packets of this host by paths.
type Pather interface {
	// SetPaths makes paths the only ones that there are, also after a
	// predecessor has left some. They are no services: Snapshot, Find and Audit
	// do not know them.
	SetPaths(ctx context.Context, paths []Path) error
}
