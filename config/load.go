package config

import (
	"context"
	"errors"
	"net/netip"
)

// Options change how a file is read. The zero value is ready to use.
type Options struct {
	// Strict refuses what ldirectord refuses, as `strict = yes` does.
	Strict bool
	// Resolver finds the addresses of host names; nil is the system's.
	Resolver Resolver
}

// A Resolver finds the addresses of a host. *net.Resolver is one. The network
// is "ip4" or "ip6".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Load reads, checks and resolves the file at path. If the file has errors the
// error is of type Problems and holds all of them, warnings included; if it
// cannot be read the error is that of the operating system. ctx bounds the
// look-up of host names.
func Load(ctx context.Context, path string, o Options) (*Config, error) {
	return nil, errors.ErrUnsupported
}

// Parse is Load for text that is already in memory; name stands for the file
// in messages.
func Parse(ctx context.Context, name string, text []byte, o Options) (*Config, error) {
	return nil, errors.ErrUnsupported
}

// CheckAddr is where checks of r connect to: checkport, else the port of the
// real server, else the usual port of the service. Its port is 0 if there is
// none at all.
func (v *Virtual) CheckAddr(r *Real) netip.AddrPort {
	return netip.AddrPort{}
}
