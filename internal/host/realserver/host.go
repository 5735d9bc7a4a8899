package realserver

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/host/rtnl"
	"github.com/shunt-lb/shunt/internal/host/sysctl"
)

// A Host is the machine, in the network namespace of the calling thread. No
// change to it survives a restart of the machine.
type Host struct {
	Settings sysctl.Dir
	Note     Note
}

// Check returns the missing steps in the order of Apply. It changes nothing.
func (h *Host) Check(o Options) ([]Step, error) {
	have, err := h.look(&o)
	if err != nil {
		return nil, err
	}
	if _, ok := have.links[o.Link]; !ok && o.Link != "" && tunnelModules[o.Link] == (tunnelModule{}) {
		return nil, fmt.Errorf("there is no link %s", o.Link)
	}
	return missing(&o, have), nil
}

func (h *Host) look(o *Options) (*state, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return read(o, h.Settings)
}

// Apply does the missing steps and returns those that it has done, also with an
// error. Applying again does nothing. A VIP on a link that answers for it is an
// error and stays there: the machine may be the director.
func (h *Host) Apply(o Options) ([]Step, error) {
	steps, err := h.Check(o)
	if err != nil {
		return nil, err
	}
	return h.perform(steps)
}

// Remove takes back the steps of Apply for o and returns those that it has done,
// also with an error. Removing again does nothing.
func (h *Host) Remove(o Options) ([]Step, error) {
	have, err := h.look(&o)
	if err != nil {
		return nil, err
	}
	before, err := h.Note.read()
	if err != nil {
		return nil, err
	}
	return h.perform(leftover(&o, have, before))
}

// perform does the steps up to the first that fails. Steps by hand come last and
// are an error.
func (h *Host) perform(steps []Step) (done []Step, err error) {
	var left []error
	for _, s := range steps {
		if s.do == byHand {
			left = append(left, errors.New(s.String()))
			continue
		}
		if err := h.do(s); err != nil {
			return done, errors.Join(append(left, fmt.Errorf("%s: %w", s.Command(), rights(err)))...)
		}
		done = append(done, s)
	}
	return done, errors.Join(left...)
}

func (h *Host) do(s Step) error {
	switch s.do {
	case set:
		return h.change(s.name, s.value)
	case reset:
		return errors.Join(h.Settings.Set(s.name, s.value), h.Note.update(func(before map[string]string) { delete(before, s.name) }))
	case addLink:
		return makeTunnel(s.link)
	case addModule:
		return loadModule(h.Settings, s.name)
	case addPort:
		return s.gue.Add()
	case delPort:
		return s.gue.Remove()
	}
	l, err := netlink.LinkByName(s.link)
	if err != nil {
		return err
	}
	switch s.do {
	case linkUp:
		return netlink.LinkSetUp(l)
	case linkDown:
		return netlink.LinkSetDown(l)
	case addAddr:
		return netlink.AddrAdd(l, rtnl.Bare(s.prefix.Addr()))
	}
	old := rtnl.Bare(s.prefix.Addr())
	old.Mask = net.CIDRMask(s.prefix.Bits(), s.prefix.Addr().BitLen())
	return netlink.AddrDel(l, old)
}

// change sets a setting, and notes its value before the first change.
func (h *Host) change(name, value string) error {
	old, err := h.Settings.Get(name)
	if err != nil {
		return err
	}
	err = h.Note.update(func(before map[string]string) {
		if _, noted := before[name]; !noted {
			before[name] = old
		}
	})
	if err != nil {
		return err
	}
	return h.Settings.Set(name, value)
}

// makeTunnel makes the kernel load a tunnel's module, which makes the link in the
// first network namespace. In other namespaces makeTunnel makes the link.
func makeTunnel(name string) error {
	module := tunnelModules[name]
	err := netlink.LinkAdd(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Name: name}, LinkType: module.kind})
	switch {
	case errors.Is(err, unix.EEXIST):
		return nil
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("the kernel has no module %s", module.name)
	}
	return err
}

// rights explains an error for want of rights.
func rights(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w (it needs root, or CAP_NET_ADMIN)", err)
	}
	return err
}
