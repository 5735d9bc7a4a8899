// Package monitorfile writes the lines of monitorfile, in the layout of ldirectord.
package monitorfile

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/spec"
)

// TimeLayout is the layout of ldirectord's time stamps.
const TimeLayout = "Mon Jan _2 15:04:05 2006"

// Line is the line about a check of a real server that ended at a time.
func Line(v *config.Virtual, r *config.Real, at time.Time, err error) string {
	state, message := "up", "-"
	if err != nil {
		state, message = "down", escape.Replace(err.Error())
	}
	return fmt.Sprintf("[%s] [%d] %s [%s] %s\n", at.Local().Format(TimeLayout), os.Getpid(), identity(v, r), state, message)
}

// escape keeps a message within its line and its field.
var escape = strings.NewReplacer("%", "%25", "|", "%7c", "\r", "%0d", "\n", "%0a")

// identity returns the identity of the check: the parts that are set, separated by
// blanks.
func identity(v *config.Virtual, r *config.Real) string {
	parts := []string{v.CheckType.String()}
	switch v.CheckType {
	case config.CheckNegotiate, config.CheckCombined:
		parts = append(parts, v.Service)
	case config.CheckExternal, config.CheckExternalPerl:
		parts = append(parts, v.CheckCommand)
	}
	parts = append(parts, v.ID.Protocol.String(), spec.HostArg(r.Addr.Addr()), strconv.Itoa(int(r.Addr.Port())), v.VirtualHost)
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
