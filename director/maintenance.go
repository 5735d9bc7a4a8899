package director

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/files"
)

const (
	maintenancePeriod = time.Second     // between two looks at maintenancedir
	lookupTimeout     = 2 * time.Second // for all host names that are asked for together
	lookupKept        = 5 * time.Minute // for how long a host name is believed
	lookupPause       = 10 * time.Second
	lookupsAtOnce     = 64
)

// A maintainer finds out which real servers a file in maintenancedir keeps
// out. Host names are looked up only when the folder holds files that could
// be named after one.
type maintainer struct {
	resolve func(ctx context.Context, addr string) ([]string, error)
	err     string // what was complained about last

	mu     sync.Mutex
	names  map[netip.Addr]hostName
	asking bool // for some of them
}

func newMaintainer() *maintainer {
	return &maintainer{resolve: net.DefaultResolver.LookupAddr, names: map[netip.Addr]hostName{}}
}

type hostName struct {
	name  string
	until time.Time // when it is asked for again
}

// A realName is what a file can name a real server by.
type realName struct {
	addr netip.AddrPort
	name string // as the configuration has it
}

// maintain brings what is in maintenancedir now into the loop. It waits for no
// name server: host names that are not known yet count when they are.
func (d *Director) maintain() {
	if d.take(d.ctx, d.keeping) != nil {
		return
	}
	defer func() { <-d.keeping }()
	files, unknown := d.lookKnowing(d.current)
	if len(unknown) > 0 {
		d.wg.Go(func() { d.kept.ask(d.ctx, unknown) })
	}
	if files == nil {
		return
	}
	_ = d.do(d.ctx, func() {
		if !maps.Equal(files, d.cluster.files) {
			d.cluster.maintain(time.Now(), files)
			d.pauseProbes()
		}
	})
}

// lookAtMaintenance returns the files that keep out real servers of conf, nil
// if that cannot be said. It waits a moment for host names that it needs.
func (d *Director) lookAtMaintenance(ctx context.Context, conf *config.Config) map[string]string {
	files, unknown := d.lookKnowing(conf)
	if len(unknown) > 0 {
		d.kept.ask(ctx, unknown)
		files, _ = d.lookKnowing(conf)
	}
	return files
}

// lookKnowing returns the files that keep out real servers of conf, as far as
// their host names are known, and the servers whose names are not. It says once
// that the folder cannot be read: a file system that fails takes no server in
// or out.
func (d *Director) lookKnowing(conf *config.Config) (files map[string]string, unknown []netip.Addr) {
	files, unknown, err := d.kept.look(conf.Global.MaintenanceDir, reals(conf))
	if err == nil {
		d.kept.err = ""
		return files, unknown
	}
	if d.kept.err != err.Error() {
		d.kept.err = err.Error()
		d.log.Warn("maintenancedir cannot be read, nothing changes", "err", err)
	}
	return nil, nil
}

func reals(conf *config.Config) []realName {
	var all []realName
	for i := range conf.Virtuals {
		for _, r := range conf.Virtuals[i].Reals {
			all = append(all, realName{addr: r.Addr, name: r.Name})
		}
	}
	return all
}

// look returns the file that keeps out each real server, by its configured
// address, and the servers whose host names would have to be asked for to say
// more. No folder, or one that is not there, keeps out none.
func (m *maintainer) look(dir string, reals []realName) (out map[string]string, unknown []netip.Addr, err error) {
	out = map[string]string{}
	if dir == "" {
		return out, nil, nil
	}
	entries, err := files.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	files := map[string]bool{}
	for _, e := range entries {
		files[e.Name()] = true
	}
	byName := needsNames(files)
	for _, r := range reals {
		port := ":" + strconv.Itoa(int(r.addr.Port()))
		f := named(files, port, hostArg(r.addr.Addr()), r.name)
		if f == "" && byName {
			name, current := m.known(r.addr.Addr())
			if !current {
				unknown = append(unknown, r.addr.Addr())
			}
			f = named(files, port, name, shortName(name))
		}
		if f != "" {
			out[r.addr.String()] = f
		}
	}
	return out, unknown, nil
}

// needsNames reports whether a file is there that no address explains.
func needsNames(files map[string]bool) bool {
	for f := range files {
		host := strings.Trim(f, "[]")
		if _, err := netip.ParseAddr(host); err == nil {
			continue
		}
		if _, err := netip.ParseAddrPort(f); err == nil {
			continue
		}
		return true
	}
	return false
}

// named returns the first file that is named after one of hosts.
func named(files map[string]bool, port string, hosts ...string) string {
	for _, h := range hosts {
		if h != "" && files[h+port] {
			return h + port
		}
		if h != "" && files[h] {
			return h
		}
	}
	return ""
}

// shortName is the part of a host name before its first dot. Unlike
// ldirectord's it may hold upper-case letters.
func shortName(name string) string {
	short, _, _ := strings.Cut(name, ".")
	return short
}

// known is the host name of an address as it was found last, and whether it
// need not be asked for.
func (m *maintainer) known(a netip.Addr) (name string, current bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.names[a]
	return n.name, ok && time.Now().Before(n.until)
}

// ask looks up the host names of addresses, side by side, unless somebody is
// at it.
func (m *maintainer) ask(ctx context.Context, addrs []netip.Addr) {
	m.mu.Lock()
	busy := m.asking
	m.asking = true
	m.mu.Unlock()
	if busy {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var wg sync.WaitGroup
	room := make(chan struct{}, lookupsAtOnce)
	for _, a := range addrs {
		room <- struct{}{}
		wg.Go(func() { m.reverse(ctx, a); <-room })
	}
	wg.Wait()
	m.mu.Lock()
	m.asking = false
	m.mu.Unlock()
}

// reverse looks up the host name of an address, "" if it has none. While no
// answer can be had the one before counts: a resolver that fails brings no
// server back.
func (m *maintainer) reverse(ctx context.Context, a netip.Addr) {
	names, err := m.resolve(ctx, a.String())
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.names[a]
	known.until = time.Now().Add(lookupKept)
	switch none := new(net.DNSError); {
	case err == nil && len(names) > 0:
		known.name = strings.TrimSuffix(names[0], ".")
	case err == nil, errors.As(err, &none) && none.IsNotFound:
		known.name = ""
	default:
		known.until = time.Now().Add(lookupPause)
	}
	m.names[a] = known
}
