package director

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	maintenancePeriod = time.Second // between two looks at maintenancedir
	lookupTimeout     = 2 * time.Second
	lookupKept        = 5 * time.Minute // for how long a host name is believed
)

// A maintainer finds out which real servers a file in maintenancedir keeps
// out. Host names are looked up only when the folder holds files that could
// be named after one.
type maintainer struct {
	names map[netip.Addr]hostName
	found map[string]string // what was reported last
	err   string            // what was complained about last
}

type hostName struct {
	name string
	at   time.Time
}

// A realName is what a file can name a real server by.
type realName struct {
	addr netip.AddrPort
	name string // as the configuration has it
}

func (d *Director) watchMaintenance() {
	m := &maintainer{names: map[netip.Addr]hostName{}}
	tick := time.NewTicker(maintenancePeriod)
	defer tick.Stop()
	for {
		d.lookAtMaintenance(m)
		select {
		case <-d.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (d *Director) lookAtMaintenance(m *maintainer) {
	var dir string
	var reals []realName
	if d.do(d.ctx, func() { dir, reals = d.cluster.global.MaintenanceDir, d.cluster.reals() }) != nil {
		return
	}
	files, err := m.look(d.ctx, dir, reals)
	if err != nil {
		d.complainMaintenance(m, err)
		return
	}
	m.err = ""
	if maps.Equal(files, m.found) {
		return
	}
	m.found = files
	_ = d.do(d.ctx, func() {
		d.cluster.maintain(time.Now(), files)
		d.pauseProbes()
	})
}

// complainMaintenance says once that the folder cannot be read. Everything
// stays as it was: a file system that fails takes no server in or out.
func (d *Director) complainMaintenance(m *maintainer, err error) {
	if m.err != err.Error() {
		m.err = err.Error()
		d.log.Warn("maintenancedir cannot be read, nothing changes", "err", err)
	}
}

func (c *cluster) reals() []realName {
	var reals []realName
	for _, sv := range c.services {
		for _, s := range sv.servers {
			reals = append(reals, realName{addr: s.conf.Addr, name: s.conf.Name})
		}
	}
	return reals
}

// look returns the file that keeps out each real server, by its configured
// address. No folder, or one that is not there, keeps out none.
func (m *maintainer) look(ctx context.Context, dir string, reals []realName) (map[string]string, error) {
	out := map[string]string{}
	if dir == "" {
		return out, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	files := map[string]bool{}
	for _, e := range entries {
		files[e.Name()] = true
	}
	lookup := needsNames(files)
	for _, r := range reals {
		if f := m.match(ctx, files, r, lookup); f != "" {
			out[r.addr.String()] = f
		}
	}
	return out, nil
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

func (m *maintainer) match(ctx context.Context, files map[string]bool, r realName, lookup bool) string {
	hosts := []string{hostArg(r.addr.Addr()), r.name}
	if lookup && len(files) > 0 {
		name := m.reverse(ctx, r.addr.Addr())
		hosts = append(hosts, name, shortName(name))
	}
	port := ":" + strconv.Itoa(int(r.addr.Port()))
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

// reverse is the host name of an address, "" if it has none.
func (m *maintainer) reverse(ctx context.Context, a netip.Addr) string {
	if n, ok := m.names[a]; ok && time.Since(n.at) < lookupKept {
		return n.name
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	name := ""
	if names, err := net.DefaultResolver.LookupAddr(ctx, a.String()); err == nil && len(names) > 0 {
		name = strings.TrimSuffix(names[0], ".")
	}
	m.names[a] = hostName{name: name, at: time.Now()}
	return name
}
