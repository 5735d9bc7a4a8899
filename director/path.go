package director

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// paths are those of a configuration, by what they lead to. Their marks depend on
// the configuration alone, and hardly change with it.
type paths map[pathKey]dataplane.Path

// A pathKey is what a path leads to.
type pathKey struct {
	six    bool
	server dataplane.RealServer
}

// pathsOf returns the paths by which real servers of conf are checked.
func pathsOf(conf *config.Config) paths {
	all, taken := paths{}, map[uint32]bool{}
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		for j := range v.Reals {
			key, ok := pathTo(v, &v.Reals[j])
			if _, known := all[key]; !ok || known || len(all) == dataplane.MaxPaths {
				continue
			}
			h := fnv.New32a()
			fmt.Fprint(h, key.six, key.server) // fields that are exported, which print as text and not as pointers
			n := h.Sum32() % dataplane.MaxPaths
			for taken[n] {
				n = (n + 1) % dataplane.MaxPaths
			}
			taken[n] = true
			all[key] = dataplane.Path{Mark: dataplane.FirstPathMark + n, IPv6: key.six, Server: key.server}
		}
	}
	return all
}

// pathTo returns what the path to a real server leads to, false if it is not
// checked by its VIP.
func pathTo(v *config.Virtual, r *config.Real) (pathKey, bool) {
	byVIP := v.CheckPath == config.CheckPathVIP && v.CheckType != config.CheckOn && v.CheckType != config.CheckOff
	if !byVIP || v.ID.Protocol != dataplane.TCP || v.ID.Addr.Port() == 0 || r.Forward == dataplane.Masq {
		return pathKey{}, false
	}
	return pathKey{
		six:    v.ID.Addr.Addr().Is6(),
		server: dataplane.RealServer{Addr: v.ID.Mapped(r.Addr, r.Forward), Forward: r.Forward, Tunnel: v.TunnelTo(r.Forward), Weight: 1},
	}, true
}

// wrap returns how many bytes are put around a packet on the way.
func (k pathKey) wrap() int {
	if k.server.Forward != dataplane.IPIP {
		return 0
	}
	return k.server.Tunnel.Overhead(k.server.Addr.Addr().Unmap().Is6())
}

// mark puts the paths of a service into its probes.
func (ps paths) mark(sv *service) {
	for _, s := range sv.servers {
		key, ok := pathTo(sv.conf, s.conf)
		if p, there := ps[key]; ok && there && len(s.checks) > 0 {
			ordinary := s.checks[0].Check
			path := key.check(sv.conf, ordinary)
			path.Mark = p.Mark
			ordinary.SetPath(path)
		}
	}
}

// check returns the path for the check of a real server, without its mark.
func (k pathKey) check(v *config.Virtual, s *spec.Check) checks.Path {
	return checks.Path{
		VIP: v.ID.Addr, Tunnel: k.server.Forward == dataplane.IPIP, Wrap: k.wrap(),
		Whole: s.Negotiates() && s.Addr() == k.server.Addr, // and not another port
	}
}

// list returns the paths in the order of their marks.
func (ps paths) list() []dataplane.Path {
	byMark := func(a, b dataplane.Path) int { return int(a.Mark) - int(b.Mark) }
	return slices.SortedFunc(maps.Values(ps), byMark)
}

const (
	pathsTime   = 5 * time.Second  // for the dataplane to set them
	pathsPeriod = 30 * time.Second // between two times that they are set: somebody else may have removed them
)

// setPaths sets the paths of conf in the dataplane, in addition to those in force if
// they are to be replaced soon. While the dataplane fails to, checks are made without
// paths.
func (l *loader) setPaths(ctx context.Context, conf *config.Config, replacing bool) {
	p, ok := l.o.Dataplane.(dataplane.Pather)
	if !ok {
		return
	}
	want := pathsOf(conf)
	list := want.list()
	if replacing {
		for _, old := range pathsOf(l.current) {
			if !slices.ContainsFunc(list, func(p dataplane.Path) bool { return p.Mark == old.Mark }) {
				list = append(list, old)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pathsTime)
	defer cancel()
	err := p.SetPaths(ctx, list)
	l.prober.UsePaths(err == nil)
	if err != nil && len(list) > 0 {
		l.log.Error("paths of checks by the VIP cannot be set; real servers are checked without", "err", err)
	}
}

// keepPaths sets the paths again, if there are any.
func (l *loader) keepPaths() {
	if l.acquire(l.ctx, l.looking) != nil {
		return
	}
	defer func() { <-l.looking }()
	if len(pathsOf(l.current)) > 0 {
		l.setPaths(l.ctx, l.current, false)
	}
}
