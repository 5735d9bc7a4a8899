package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// codesOfSettings has the settings that services can need, by the last part of
// their names.
var codesOfSettings = map[string]Code{
	"ip_forward": forwardingOff, "forwarding": forwardingOff,
	"expire_nodest_conn": expireNodestConn, "expire_quiescent_template": expireTemplate, "conn_reuse_mode": connReuseMode,
	"send_redirects": sendRedirects, "accept_local": acceptLocal,
}

// settings says which settings of the kernel are not as the services on IPVS need
// them.
func settings(_ context.Context, s *Subject) (all []Finding) {
	needs, err := s.Needs()
	if err != nil {
		all = append(all, unknown("settings that depend on routes", err))
	}
	for _, g := range sysctl.Check(needs, s.Settings) {
		if errors.Is(g.Err, fs.ErrNotExist) && len(s.Lacks) > 0 && strings.HasPrefix(g.Name, "net.ipv4.vs.") {
			continue // it comes with IPVS
		}
		all = append(all, s.setting(g))
	}
	return all
}

func (s *Subject) setting(g sysctl.Gap) Finding {
	if g.Err != nil {
		return unknown(g.Name, g.Err)
	}
	name := filepath.Ext(g.Name)
	f := found(codesOfSettings[strings.TrimPrefix(name, ".")], config.Pos{}, "%s is %s, want %s", g.Name, g.Have, g.Value)
	if s.Conf.Global.ManageSysctl && s.Process == 0 {
		f = found(settingPending, s.Conf.Global.Origins["managesysctl"].Pos, "%s is %s: shunt sets it to %s when it starts", g.Name, g.Have, g.Value)
	}
	return f.breaks("%s", g.Reason).fixed(s.set(g.Name, g.Value))
}
