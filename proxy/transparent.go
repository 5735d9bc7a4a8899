package proxy

import (
	"fmt"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
)

// may returns nil if this process has the rights that v needs.
func may(v dataplane.VirtualService) error {
	if !v.Transparent {
		return nil
	}
	if err := engine.MayBindTransparent(); err != nil {
		return fmt.Errorf("transparent = yes needs the right to use addresses of others: run shunt as root, or with CAP_NET_ADMIN: %w", err)
	}
	return nil
}
