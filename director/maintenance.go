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

	"github.com/shunt-lb/shunt/config"
)

const (
	maintenancePeriod = time.Second     // between two looks at maintenancedir
	lookupTimeout     = 2 * time.Second // for all host names of one look
	lookupKept        = 5 * time.Minute // for how long a host name is believed
)

// A maintainer finds out which real servers a file in maintenancedir keeps
// out. Host names are looked up only when the folder holds files that could
// be named after one.
type maintainer struct {
	resolve func(ctx context.Context, addr string) ([]string, error)
	names   map[netip.Addr]hostName
	err     string // what was complained about last
}

func newMaintainer() *maintainer {
	return &maintainer{resolve: net.DefaultResolver.LookupAddr, names: map[netip.Addr]hostName{}}
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

// maintain brings what is in maintenancedir now into the loop.
func (d *Director) maintain() {
	if d.lock(d.ctx) != nil {
		return
	}
	defer d.unlock()
	files := d.lookAtMaintenance(d.ctx, d.current)
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
// if that cannot be said. It says once that the folder cannot be read: a file
// system that fails takes no server in or out.
func (d *Director) lookAtMaintenance(ctx context.Context, conf *config.Config) map[string]string {
	files, err := d.kept.look(ctx, conf.Global.MaintenanceDir, reals(conf))
	if err == nil {
		d.kept.err = ""
		return files
	}
	if d.kept.err != err.Error() {
		d.kept.err = err.Error()
		d.log.Warn("maintenancedir cannot be read, nothing changes", "err", err)
	}
	return nil
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
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
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
	port := ":" + strconv.Itoa(int(r.addr.Port()))
	file := named(files, port, hostArg(r.addr.Addr()), r.name)
	if file == "" && lookup {
		name := m.reverse(ctx, r.addr.Addr())
		file = named(files, port, name, shortName(name))
	}
	return file
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

// reverse is the host name of an address, "" if it has none. While no answer
// can be had the one before counts: a resolver that fails brings no server back.
func (m *maintainer) reverse(ctx context.Context, a netip.Addr) string {
	known, ok := m.names[a]
	if ctx.Err() != nil || ok && time.Since(known.at) < lookupKept {
		return known.name
	}
	names, err := m.resolve(ctx, a.String())
	switch none := new(net.DNSError); {
	case err == nil && len(names) > 0:
		known.name = strings.TrimSuffix(names[0], ".")
	case err == nil, errors.As(err, &none) && none.IsNotFound:
		known.name = ""
	}
	known.at = time.Now()
	m.names[a] = known
	return known.name
}
