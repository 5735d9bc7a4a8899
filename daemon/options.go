package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/admin/token"
	"github.com/shunt-lb/shunt/config"
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
	if err := checkListen(o.Admin); err != nil || o.AdminWrite == "" {
		return err
	}
	if err := checkPrivate(o.Admin); err != nil || o.Admin == "" {
		return err
	}
	_, err := token.Read(o.AdminWrite, nil)
	return err
}

// checkPrivate returns an error if other hosts may reach addr, which is empty or an
// address to listen on.
func checkPrivate(addr string) error {
	if addr == "" {
		return nil
	}
	host, _, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("admin address %q: tokens would travel in the clear: listen on 127.0.0.1 or [::1], behind a proxy with TLS for other hosts, or leave out --admin-write", addr)
	}
	return nil
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

// limit changes what the options limit in a configuration that has just been
// parsed, and returns a warning where that is less than the file says.
func (o *Options) limit(conf *config.Config) (ps config.Problems) {
	if conf.Global.LogFile == "" {
		conf.Global.LogFile = o.LogFile
	}
	var names []string
	var pos config.Pos
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		if o.DrainLimit <= 0 || v.DrainTimeout <= o.DrainLimit {
			continue
		}
		v.DrainTimeout = o.DrainLimit
		if v.CleanStop {
			continue // it waits for nothing
		}
		if len(names) == 0 {
			pos = v.Pos
		}
		names = append(names, v.ID.String())
	}
	if len(names) == 0 {
		return nil
	}
	if len(names) > 3 {
		names = append(names[:3], fmt.Sprintf("%d more", len(names)-3))
	}
	return config.Problems{{
		Pos:  pos,
		Text: fmt.Sprintf("a stop waits %v for connections and not as long as `draintimeout` says: who stops it expects an end by then; it is so for %s", o.DrainLimit, strings.Join(names, ", ")),
		Hint: fmt.Sprintf("write draintimeout=%d", int(o.DrainLimit/time.Second)),
	}}
}
