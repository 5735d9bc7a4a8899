package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/shunt-lb/shunt/config"
)

// The settings of connection tracking. They are there while its module is loaded.
const (
	conntrackCount = "net.netfilter.nf_conntrack_count"
	conntrackMax   = "net.netfilter.nf_conntrack_max"
)

// conntrack says whether the kernel's table of connections is full, or too small.
// It drops packets of connections that it has no room for.
func conntrack(_ context.Context, s *Subject) []Finding {
	most, err := s.number(conntrackMax)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nobody tracks connections
	}
	have, countErr := s.number(conntrackCount)
	if err = errors.Join(err, countErr); err != nil {
		return []Finding{unknown("connection tracking", err)}
	}
	if most == 0 {
		return nil // there is no limit
	}
	const breaks = "the kernel drops the packets of new connections (\"nf_conntrack: table full\" in its log)"
	if have >= most-most/10 {
		return []Finding{found(conntrackFull, config.Pos{}, "the kernel tracks %d connections, and may track %d", have, most).
			breaks(breaks).mend("sysctl -w %s=%d", conntrackMax, 4*most)}
	}
	// A connection of the proxy is two for the kernel: of the client, and to the real server.
	g := &s.Conf.Global
	if asked := 2*g.MaxConnections + 2*g.MaxFlows; s.anyOnProxy() && asked > most {
		return []Finding{found(conntrackSmall, s.boundsAt(), "the proxy may have %d connections and flows, two each for the kernel, which tracks %d", asked/2, most).
			breaks("under load "+breaks).mend("sysctl -w %s=%d", conntrackMax, asked+asked/4)}
	}
	return nil
}

// number reads a setting that is a number.
func (s *Subject) number(name string) (int, error) {
	text, err := s.Settings.Get(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

func (s *Subject) anyOnProxy() bool {
	for i := range s.Conf.Virtuals {
		if !s.InKernel(&s.Conf.Virtuals[i]) {
			return true
		}
	}
	return false
}
