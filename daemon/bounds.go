package daemon

import (
	"fmt"
	"strconv"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/proxy"
)

// bounds returns the limits of the proxy in a configuration.
func bounds(conf *config.Config) proxy.Limits {
	g := &conf.Global
	return proxy.Limits{Connections: g.MaxConnections, Flows: g.MaxFlows, Buffers: g.MaxBuffers}
}

// beyond warns of limits that this host cannot reach.
func beyond(conf *config.Config) config.Problems {
	flows, ports := proxy.FlowPorts()
	return append(unreachable(conf, proxy.OpenFiles()), portless(conf, flows, ports)...)
}

// portless warns of more flows than the local ports of a host allow.
func portless(conf *config.Config, flows, ports int) config.Problems {
	asked, o := conf.Global.MaxFlows, conf.Global.Origins["maxflows"]
	if asked <= flows || o.Pos.Line == 0 {
		return nil
	}
	return config.Problems{{
		Severity: config.Warning, Pos: o.Pos,
		Text: fmt.Sprintf("each flow takes a local port: this host has %d, of which flows may have %d, not %d", ports, flows, asked),
		Hint: `sysctl -w net.ipv4.ip_local_port_range="1024 65535" gives more, or maxflows = ` + strconv.Itoa(flows),
	}}
}

// unreachable warns of limits that need more than files open files.
func unreachable(conf *config.Config, files int) (ps config.Problems) {
	asked := bounds(conf)
	need := asked.Files()
	if need <= files {
		return nil
	}
	for _, name := range []string{"maxconnections", "maxflows"} {
		if o := conf.Global.Origins[name]; o.Pos.Line > 0 {
			ps = append(ps, config.Problem{
				Severity: config.Warning, Pos: o.Pos,
				Text: fmt.Sprintf("%d connections and %d flows need %d open files, and this process may have %d", asked.Connections, asked.Flows, need, files),
				Hint: fmt.Sprintf("LimitNOFILE=%d in the unit, or ulimit -Hn %d before the start", need, need),
			})
			break
		}
	}
	return ps
}
