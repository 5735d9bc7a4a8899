package daemon

import (
	"fmt"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/proxy"
)

// bounds are those of the proxy that a configuration asks for.
func bounds(conf *config.Config) proxy.Limits {
	g := &conf.Global
	return proxy.Limits{Connections: g.MaxConnections, Flows: g.MaxFlows, Buffers: g.MaxBuffers}
}

// unreachable warns of bounds that a process which may open so many files does
// not get to.
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
