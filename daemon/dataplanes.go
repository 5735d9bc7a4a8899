package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/daemon/internal/mux"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/ipvs"
	"github.com/shunt-lb/shunt/proxy"
	"github.com/shunt-lb/shunt/sorry"
)

// A kind is one dataplane that shunt knows.
type kind struct {
	name  string // in flags and directives
	title string // in sentences
	// inKernel means that services are forwarded without this process: they go
	// on when it ends, and it makes no connections for them.
	inKernel bool
	// missing returns why this host does not have the dataplane, nil if it has.
	// It changes nothing. A nil function means that every host has it.
	missing func() error
	// open returns the dataplane. ready returns why the host does not have it
	// now, nil if it has; nil means always. A dataplane that is not ready opens
	// itself with the first service, or returns that error.
	open func(o openOptions) (p dataplane.Dataplane, ready func() error)
	// limits returns every reason why the dataplane cannot serve s, which is v
	// with everything in use. It depends on its arguments alone.
	limits func(v *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit
}

// openOptions are what dataplanes are made with.
type openOptions struct {
	log   *slog.Logger
	sorry *sorry.Server
	// renewed is called when a dataplane of the kernel has got new settings,
	// because its module was loaded, or loaded again.
	renewed func()
}

// The names of dataplanes that have directives of their own, and the word for
// the first one that this host has.
const (
	onIPVS  = "ipvs"
	onProxy = "proxy"
	auto    = "auto"
)

// kinds are the dataplanes in order of preference. A daemon has the one that it
// was started with and those after it. The last one is there on every host.
var kinds = []*kind{
	{
		name: onIPVS, title: "IPVS", inKernel: true,
		missing: missingIPVS, open: openIPVS, limits: ipvsLimits,
	},
	{name: onProxy, title: "the proxy", open: openProxy, limits: proxyLimits},
}

// DataplaneChoices returns the words that choose a dataplane, as a sentence has
// them: "auto, ipvs or proxy".
func DataplaneChoices() string {
	words := append([]string{auto}, dataplaneNames()...)
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// dataplaneNames returns the names of all dataplanes, in order of preference.
func dataplaneNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// candidates returns the dataplanes that a flag allows, in order of preference:
// all with auto or nothing, else the one with that name and those after it.
func candidates(flag string) ([]*kind, error) {
	if flag == "" || flag == auto {
		return kinds, nil
	}
	i := slices.IndexFunc(kinds, func(k *kind) bool { return k.name == flag })
	if i < 0 {
		return nil, fmt.Errorf("dataplane %q: want %s", flag, DataplaneChoices())
	}
	return kinds[i:], nil
}

// kindNamed returns the dataplane with a name, which is known.
func kindNamed(name string) *kind {
	return kinds[slices.IndexFunc(kinds, func(k *kind) bool { return k.name == name })]
}

// dataplaneOf returns the dataplane that v is for, where services that name none
// are for the one called def.
func dataplaneOf(v *config.Virtual, def string) *kind { return kindNamed(cmp.Or(v.Dataplane, def)) }

// dataplanes are those that a daemon has.
type dataplanes struct {
	*mux.Mux
	ready  map[string]func() error // of those that may come later, see kind.open
	status director.DataplaneStatus
	why    string // status.Reason with all that would help
	// ipvs and proxy are two of them, for the directives and figures that only
	// they have.
	ipvs  *kernel // nil where this daemon does without IPVS
	proxy *proxy.Dataplane
}

// openDataplanes opens those that a flag allows. The default one, which comes
// first, is the first that this host has now.
func openDataplanes(flag string, o openOptions) (dataplanes, error) {
	allowed, err := candidates(flag)
	if err != nil {
		return dataplanes{}, err
	}
	d := dataplanes{ready: map[string]func() error{}}
	var opened []mux.Plane
	var lacking []error
	for _, k := range allowed {
		p, ready := k.open(o)
		var err error
		if ready != nil {
			d.ready[k.name] = ready
			err = ready()
		}
		if err != nil && k.name == flag {
			return dataplanes{}, fmt.Errorf("dataplane %s: %w", k.name, errors.Join(err, p.Close()))
		}
		if err != nil {
			lacking = append(lacking, err)
		}
		if err == nil && d.status.Name == "" {
			d.status = director.DataplaneStatus{Name: k.name, Reason: reason(k, flag, lacking, inShort)}
			d.why = reason(k, flag, lacking, error.Error)
			opened = slices.Insert(opened, 0, mux.Plane{Dataplane: p, Name: k.name})
		} else {
			opened = append(opened, mux.Plane{Dataplane: p, Name: k.name})
		}
	}
	d.Mux = mux.New(o.log, opened...)
	if s, ok := find[*sorryListeners](opened); ok {
		d.ipvs, _ = s.kernelPlane.(*kernel)
	}
	d.proxy, _ = find[*proxy.Dataplane](opened)
	return d, nil
}

// opened reports whether a dataplane is open. It does not try to open one that
// comes late.
func (d *dataplanes) opened(name string) bool {
	for _, p := range d.Planes() {
		if p.Name == name {
			late, ok := p.Dataplane.(interface{ opened() bool })
			return !ok || late.opened()
		}
	}
	return false
}

// reason says why k is the default dataplane: those before it are lacking, each for
// what words make of its error.
func reason(k *kind, flag string, lacking []error, words func(error) string) string {
	if k.name == flag {
		return "asked for"
	}
	if len(lacking) == 0 {
		return "auto: the kernel has " + k.title
	}
	var all []string
	for _, err := range lacking {
		all = append(all, strings.ReplaceAll(words(err), "\n", "; "))
	}
	return "auto: " + strings.Join(all, "; ")
}

// inShort is err for a screen, without what would help: the log has that once.
func inShort(err error) string {
	switch {
	case errors.Is(err, ipvs.ErrNoIPVS):
		return "this kernel has no IPVS"
	case errors.Is(err, ipvs.ErrNoRights):
		return "this process may not program IPVS"
	}
	return err.Error()
}

// find returns the dataplane of a type.
func find[T dataplane.Dataplane](opened []mux.Plane) (p T, ok bool) {
	for _, n := range opened {
		if p, ok = n.Dataplane.(T); ok {
			break
		}
	}
	return p, ok
}

// newIPVS is a variable for tests of hosts without it.
var newIPVS = ipvs.New

// missingIPVS returns why this host has no IPVS. The kernel may load its module
// for it. Without the right to program it there is one all the same.
func missingIPVS() error {
	k, err := newIPVS(ipvs.Options{})
	if err == nil {
		return k.Close()
	}
	if errors.Is(err, ipvs.ErrNoRights) {
		return nil
	}
	return err
}

func openIPVS(o openOptions) (dataplane.Dataplane, func() error) {
	k := &kernel{options: ipvs.Options{Log: o.log, Renewed: o.renewed}}
	return newSorryListeners(k, o.sorry, o.log), func() error { _, err := k.open(); return err }
}

// ipvsLimits includes those of the sorry listeners in front of IPVS.
func ipvsLimits(v *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit {
	return append(sorryLimits(v, s), ipvs.Unsupported(withoutSorry(s))...)
}

func openProxy(o openOptions) (dataplane.Dataplane, func() error) {
	return proxy.New(proxy.Options{Log: o.log, Responder: o.sorry}), nil
}

func proxyLimits(_ *config.Virtual, s dataplane.VirtualService) []*dataplane.Limit {
	return proxy.Unsupported(s)
}

// routes returns the dataplane that each service of a configuration names.
func routes(conf *config.Config) map[dataplane.ServiceID]string {
	want := map[dataplane.ServiceID]string{}
	for i := range conf.Virtuals {
		if name := conf.Virtuals[i].Dataplane; name != "" {
			want[conf.Virtuals[i].ID] = name
		}
	}
	return want
}
