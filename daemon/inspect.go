package daemon

import (
	"context"
	"slices"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
	"github.com/shunt-lb/shunt/proxy"
)

// An Inspection is a configuration as a daemon on this host would take it, for
// `shunt doctor`. It does not change.
type Inspection struct {
	Conf *config.Config
	// Exposed warns of programs that others may change, which decide what shunt
	// runs. They are not among the warnings of Conf.
	Exposed config.Problems
	// Lacks has the services for a dataplane that this host does not have, each
	// with the reason. It is among the things that Conf waits for as well, unless
	// that dataplane was asked for on the command line.
	Lacks map[*config.Virtual]error
	// Without are the reasons why auto has passed over dataplanes.
	Without []error

	def string
}

// Inspect reads a configuration as [Check] does. The kernel may load modules for it.
func Inspect(ctx context.Context, src *config.Source, on string) (*Inspection, error) {
	j, err := newValidator(on)
	if err != nil {
		return nil, err
	}
	in := &Inspection{Lacks: map[*config.Virtual]error{}, def: j.def}
	if in.Conf, in.Exposed, err = j.judge(ctx, src, config.Options{}); err != nil {
		return nil, err
	}
	for _, k := range kinds {
		missing := k.missing
		if late := j.late[k.name]; late != nil {
			in.Without, missing = append(in.Without, late()), late
		}
		if missing == nil || !slices.ContainsFunc(in.Conf.Virtuals, func(v config.Virtual) bool { return dataplaneOf(&v, in.def) == k }) {
			continue
		}
		if err := missing(); err != nil {
			for i := range in.Conf.Virtuals {
				if v := &in.Conf.Virtuals[i]; dataplaneOf(v, in.def) == k {
					in.Lacks[v] = err
				}
			}
		}
	}
	return in, nil
}

// InKernel reports whether v is for the kernel, and not for the proxy.
func (in *Inspection) InKernel(v *config.Virtual) bool { return dataplaneOf(v, in.def).inKernel }

// Needs returns the settings of the kernel that the services need. With an error
// those that depend on routes are missing.
func (in *Inspection) Needs() ([]sysctl.Need, error) { return needsOf(in.Conf, in.def) }

// Bounds returns the limits of the proxy.
func (in *Inspection) Bounds() proxy.Limits { return bounds(in.Conf) }

// InTheWay returns warnings about the services of the proxy whose connections go to
// one of listed, which the kernel has.
func (in *Inspection) InTheWay(listed []dataplane.ServiceID) config.Problems {
	return inTheWay(in.Conf, in.def, listed)
}
