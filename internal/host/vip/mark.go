package vip

import (
	"fmt"
	"hash/fnv"

	"github.com/shunt-lb/shunt/internal/host/claim"
	"github.com/shunt-lb/shunt/internal/host/rtnl"
)

// markOf returns the mark of an owner: the protocol of its addresses in the
// kernel, which says who has added them. The lowest values are the kernel's own.
// If two owners have the same mark, the second one adopts nothing. If it removes
// an address that the other one needs, the other one puts that back after a while.
func markOf(owner string) uint8 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(owner))
	return uint8(64 + h.Sum32()%128)
}

// claimName names a mark to other shunts.
func claimName(mark uint8) string { return fmt.Sprintf("addresses %d", mark) }

// A marked reads and writes the addresses with one mark in one network namespace.
type marked struct {
	*rtnl.Conn
	mark  uint8
	claim claim.Claim
}

// openMarked returns the addresses of an owner in the network namespace of the
// calling thread.
func openMarked(owner string) (*marked, error) {
	c, err := rtnl.Dial()
	if err != nil {
		return nil, fmt.Errorf("open netlink for addresses: %w", err)
	}
	return &marked{Conn: c, mark: markOf(owner)}, nil
}

func (m *marked) close() {
	m.Close()
	m.claim.Close()
}
