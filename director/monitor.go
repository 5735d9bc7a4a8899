package director

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/config"
)

// monitorTime is the layout of ldirectord's time stamps.
const monitorTime = "Mon Jan _2 15:04:05 2006"

// monitor writes a result to the service's monitorfile, as a line in ldirectord's
// layout.
func (c *cluster) monitor(m member, r checkResult) {
	v, real := m.sv.conf, m.s.conf
	if v.MonitorFile == "" {
		return
	}
	if m.i > 0 {
		further := v.Further()
		v, real = v.As(&further[m.i-1]), further[m.i-1].Of(real)
	}
	state := "up"
	if r.err != nil {
		state = "down"
	}
	message := "-"
	if r.err != nil {
		message = escapeMonitor.Replace(r.err.Error())
	}
	c.out.monitor(v.MonitorFile, fmt.Sprintf("[%s] [%d] %s [%s] %s\n",
		r.at.Local().Format(monitorTime), os.Getpid(), monitorID(v, real), state, message))
}

// escapeMonitor keeps a message within its line and its field.
var escapeMonitor = strings.NewReplacer("%", "%25", "|", "%7c", "\r", "%0d", "\n", "%0a")

// monitorID returns the identity of the check: the parts that are set, separated
// by blanks.
func monitorID(v *config.Virtual, r *config.Real) string {
	parts := []string{v.CheckType.String()}
	switch v.CheckType {
	case config.CheckNegotiate, config.CheckCombined:
		parts = append(parts, v.Service)
	case config.CheckExternal, config.CheckExternalPerl:
		parts = append(parts, v.CheckCommand)
	}
	parts = append(parts, v.ID.Protocol.String(), hostArg(r.Addr.Addr()), strconv.Itoa(int(r.Addr.Port())), v.VirtualHost)
	if v.CheckPort != 0 {
		parts = append(parts, strconv.Itoa(int(v.CheckPort)))
	}
	parts = append(parts, strconv.Itoa(r.Weight), r.Forward.String(), r.Request)
	if r.Receive != nil {
		parts = append(parts, r.Receive.String())
	}
	return strings.Join(nonEmpty(parts), " ")
}

func nonEmpty(parts []string) []string {
	kept := parts[:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return kept
}
