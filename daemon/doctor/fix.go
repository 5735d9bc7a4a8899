package doctor

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// A Fix is a command that mends a finding and can do no harm: it sets a setting of
// the kernel, or loads a module. It does not survive a restart of the host.
type Fix struct {
	Command string `json:"command"`
	// Lasting says which line of which file makes it last.
	Lasting string `json:"lasting"`
	do      func(context.Context) error
}

// Do executes the fix.
func (x *Fix) Do(ctx context.Context) error { return x.do(ctx) }

// Fixes returns the fixes of all findings, each command once.
func (r *Report) Fixes() (all []*Fix) {
	said := map[string]bool{}
	for _, f := range r.Findings {
		if f.Fix != nil && !said[f.Fix.Command] {
			said[f.Fix.Command] = true
			all = append(all, f.Fix)
		}
	}
	return all
}

// set returns the fix that sets a setting.
func (s *Subject) set(name, value string) *Fix {
	return &Fix{
		Command: sysctl.Command(name, value),
		Lasting: fmt.Sprintf("%s = %s in /etc/sysctl.d/60-shunt.conf", name, value),
		do:      func(context.Context) error { return s.Settings.Set(name, value) },
	}
}

// modprobeTime bounds the loading of a module.
const modprobeTime = 10 * time.Second

// modprobe returns the fix that loads a module.
func modprobe(module string) *Fix {
	return &Fix{
		Command: "modprobe " + module,
		Lasting: module + " in /etc/modules-load.d/shunt.conf",
		do: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, modprobeTime)
			defer cancel()
			out, err := exec.CommandContext(ctx, "modprobe", module).CombinedOutput()
			if text := bytes.TrimSpace(out); err != nil && len(text) > 0 {
				return fmt.Errorf("modprobe %s: %s", module, text)
			}
			if err != nil {
				return fmt.Errorf("modprobe %s: %w", module, err)
			}
			return nil
		},
	}
}
