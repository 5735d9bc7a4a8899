package ipvs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

var _ dataplane.Lister = (*Dataplane)(nil)

// Connections implements [dataplane.Lister].
func (d *Dataplane) Connections(ctx context.Context) iter.Seq2[dataplane.Connection, error] {
	return Connections(ctx)
}

// Connections iterates over the connections that the network namespace of the
// calling thread forwards. It reads the table on the way and does not hold it,
// since it may be large. The kernel hands it out by position, a page at a time
// (net/netfilter/ipvs/ip_vs_conn.c, ip_vs_conn_array): while connections of any
// namespace come and go, one may appear twice or be missed. An error ends the
// sequence.
func Connections(ctx context.Context) iter.Seq2[dataplane.Connection, error] {
	return func(yield func(dataplane.Connection, error) bool) {
		// /proc/net shows the namespace of the first thread.
		runtime.LockOSThread()
		f, err := os.Open("/proc/thread-self/net/ip_vs_conn")
		runtime.UnlockOSThread()
		if err != nil {
			yield(dataplane.Connection{}, fmt.Errorf("read the connections of IPVS: %w", err))
			return
		}
		defer f.Close()
		readConnections(ctx, f, yield)
	}
}

// readConnections reads the table, whose first line is a heading.
func readConnections(ctx context.Context, r io.Reader, yield func(dataplane.Connection, error) bool) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "Pro ") {
			continue
		}
		c, err := parseConnection(lines.Text())
		if err == nil {
			err = ctx.Err()
		}
		if !yield(c, err) || err != nil {
			return
		}
	}
	if err := lines.Err(); err != nil {
		yield(dataplane.Connection{}, fmt.Errorf("read the connections of IPVS: %w", err))
	}
}

// parseConnection reads a line: protocol, three addresses each with its port,
// state, seconds, and perhaps more.
func parseConnection(line string) (dataplane.Connection, error) {
	f := strings.Fields(line)
	if len(f) < 9 {
		return dataplane.Connection{}, fmt.Errorf("a connection of IPVS has %d fields, want 9: %q", len(f), line)
	}
	c := dataplane.Connection{Protocol: f[0], State: f[7]}
	for i, at := range []*netip.AddrPort{&c.Client, &c.Virtual, &c.Server} {
		var err error
		if *at, err = parseEnd(f[1+2*i], f[2+2*i]); err != nil {
			return dataplane.Connection{}, fmt.Errorf("a connection of IPVS: %w: %q", err, line)
		}
	}
	seconds, err := strconv.ParseUint(f[8], 10, 32)
	if err != nil {
		return dataplane.Connection{}, fmt.Errorf("a connection of IPVS: %w: %q", err, line)
	}
	c.Expires = time.Duration(seconds) * time.Second
	return c, nil
}

// parseEnd reads eight hexadecimal digits, or an IPv6 address, and a port of
// four hexadecimal digits.
func parseEnd(addr, port string) (netip.AddrPort, error) {
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if strings.Contains(addr, ":") {
		a, err := netip.ParseAddr(addr)
		return netip.AddrPortFrom(a, uint16(p)), err
	}
	n, err := strconv.ParseUint(addr, 16, 32)
	a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	return netip.AddrPortFrom(a, uint16(p)), err
}
