// Package maintenance finds out which real servers the files in maintenancedir
// keep out of service.
package maintenance

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/internal/files"
)

// LookupTimeout is the limit of a Lookup, for all its host names together.
const LookupTimeout = 2 * time.Second

const (
	lookupKept    = 5 * time.Minute // for which a host name is used
	lookupPause   = 10 * time.Second
	lookupsAtOnce = 64
)

// A Finder matches files with real servers. It looks up host names only if a file
// could be named after one. All methods may be called from any goroutine.
type Finder struct {
	// Resolve looks up the host names of an address. Tests replace it before
	// the first use.
	Resolve func(ctx context.Context, addr string) ([]string, error)

	mu     sync.Mutex
	names  map[netip.Addr]hostName
	asking bool // a look-up is under way
}

// New returns a Finder that knows no host names yet.
func New() *Finder {
	return &Finder{Resolve: net.DefaultResolver.LookupAddr, names: map[netip.Addr]hostName{}}
}

type hostName struct {
	name  string
	until time.Time // when it is looked up again
}

// A Real is a real server and the names that a file can have for it.
type Real struct {
	Addr netip.AddrPort
	Name string // as in the configuration
}

// host returns the address as ldirectord writes it: IPv6 in brackets.
func (r Real) host() string {
	if a := r.Addr.Addr(); a.Is6() {
		return "[" + a.String() + "]"
	}
	return r.Addr.Addr().String()
}

// Find returns the name of the file that keeps out each real server, by its
// configured address, and the servers whose host names have to be looked up
// before it can say more; see Lookup. No folder, or one that does not exist,
// keeps out none.
func (m *Finder) Find(dir string, reals []Real) (out map[string]string, unknown []netip.Addr, err error) {
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
		port := ":" + strconv.Itoa(int(r.Addr.Port()))
		f := named(files, port, r.host(), r.Name)
		if f == "" && byName {
			name, current := m.known(r.Addr.Addr())
			if !current {
				unknown = append(unknown, r.Addr.Addr())
			}
			f = named(files, port, name, shortName(name))
		}
		if f != "" {
			out[r.Addr.String()] = f
		}
	}
	return out, unknown, nil
}

// needsNames reports whether there is a file that is not named after an address.
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

// named returns the first file with the name of one of hosts, with or without
// the port.
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

// known returns the latest host name of an address, and whether it is fresh.
func (m *Finder) known(a netip.Addr) (name string, current bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.names[a]
	return n.name, ok && time.Now().Before(n.until)
}

// Lookup looks up the host names of addresses, in parallel, and returns when all
// are known or a limit is reached. It returns at once if another look-up is under
// way.
func (m *Finder) Lookup(ctx context.Context, addrs []netip.Addr) {
	m.mu.Lock()
	busy := m.asking
	m.asking = true
	m.mu.Unlock()
	if busy {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, LookupTimeout)
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

// reverse looks up the host name of an address, "" if it has none. If that fails
// the name from before stays: a resolver that fails brings no server back.
func (m *Finder) reverse(ctx context.Context, a netip.Addr) {
	names, err := m.Resolve(ctx, a.String())
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
