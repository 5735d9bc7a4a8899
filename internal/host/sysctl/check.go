package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// A Gap is a need that is not met.
type Gap struct {
	Need
	Have string // "" if it could not be read
	Err  error  // why the setting could not be read, or not be written
}

// String returns the fault, its consequence and the command to type, in one line.
func (g Gap) String() string {
	state := "is " + g.Have
	switch {
	case g.Have != "" && g.Err != nil:
		state += " and could not be changed (" + g.Err.Error() + ")"
	case errors.Is(g.Err, fs.ErrNotExist) && strings.HasPrefix(g.Name, "net.ipv4.vs."):
		state = "is not there, because the module ip_vs is not loaded"
	case errors.Is(g.Err, fs.ErrNotExist):
		state = "is not there"
	case g.Err != nil:
		state = "is unknown (" + g.Err.Error() + ")"
	}
	return fmt.Sprintf("%s %s, want %s: %s; type: %s", g.Name, state, g.Value, g.Reason, g.Command())
}

// Check returns the needs that d does not meet, in their order.
func Check(needs []Need, d Dir) []Gap {
	var gaps []Gap
	for _, n := range needs {
		have, err := d.Get(n.Name)
		if err != nil || !n.met(have) {
			gaps = append(gaps, Gap{Need: n, Have: have, Err: err})
		}
	}
	return gaps
}

// Set meets the needs that d does not meet yet. It returns the settings that it
// changed, with the values from before, and those that it could not change, with
// the reason.
func Set(needs []Need, d Dir) (changed, left []Gap) {
	for _, g := range Check(needs, d) {
		if g.Err == nil {
			g.Err = d.Set(g.Name, g.Value)
		}
		if g.Err != nil {
			left = append(left, g)
			continue
		}
		changed = append(changed, g)
	}
	return changed, left
}
