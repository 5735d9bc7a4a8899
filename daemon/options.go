package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/internal/logs"
)

// Validate returns the error that a start with these options would end with
// whatever this host is like.
func (o Options) Validate() error {
	if _, err := candidates(o.Dataplane); err != nil {
		return err
	}
	if err := logs.CheckFormat(o.LogFormat); err != nil {
		return err
	}
	if _, err := groupID(o.ControlGroup); err != nil {
		return err
	}
	return checkListen(o.Admin)
}

// checkListen returns an error if addr is neither empty nor an address to listen
// on. A name of a host that nobody has is left to the start.
func checkListen(addr string) error {
	if addr == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if _, wrong := netip.ParseAddr(host); err == nil && wrong != nil && strings.Trim(host, "0123456789.:") == "" && host != "" {
		err = wrong
	}
	if err != nil {
		return fmt.Errorf("admin address %q: want ADDRESS:PORT as 127.0.0.1:9910, [::1]:9910 or :9910", addr)
	}
	return nil
}
