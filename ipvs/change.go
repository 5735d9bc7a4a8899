package ipvs

import (
	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// addService implements table.
func (k *kernel) addService(id dataplane.ServiceID, o options) error {
	if !k.lib.speaks(k.family) {
		return k.batch(id, []step{{verb: addService, options: o}})[0]
	}
	return k.lib.call(func(h *moby.Handle) error { return h.NewService(libService(id, o)) })
}

// setService implements table.
func (k *kernel) setService(id dataplane.ServiceID, o options) error {
	if !k.lib.speaks(k.family) {
		return k.batch(id, []step{{verb: setService, options: o}})[0]
	}
	return k.lib.call(func(h *moby.Handle) error { return h.UpdateService(libService(id, o)) })
}

// delService implements table.
func (k *kernel) delService(id dataplane.ServiceID) error {
	if !k.lib.speaks(k.family) {
		_, err := k.request(cmdDelService, unix.NLM_F_ACK, serviceAttr(id))
		return err
	}
	return k.lib.call(func(h *moby.Handle) error { return h.DelService(libService(id, options{})) })
}

// addServer implements table.
func (k *kernel) addServer(id dataplane.ServiceID, s server) error {
	return k.change(cmdNewDest, (*moby.Handle).NewDestination, id, s)
}

// setServer implements table.
func (k *kernel) setServer(id dataplane.ServiceID, s server) error {
	return k.change(cmdSetDest, (*moby.Handle).UpdateDestination, id, s)
}

// delServer implements table.
func (k *kernel) delServer(id dataplane.ServiceID, s server) error {
	return k.change(cmdDelDest, (*moby.Handle).DelDestination, id, s)
}

// change makes a change to a real server by way of the library where it has
// the words for it, else by a request of our own.
func (k *kernel) change(
	cmd uint8, by func(*moby.Handle, *moby.Service, *moby.Destination) error, id dataplane.ServiceID, s server,
) error {
	if needsOwn(id, s) || !k.lib.speaks(k.family) {
		return k.ownRequest(cmd, id, s)
	}
	return k.lib.call(func(h *moby.Handle) error { return by(h, libService(id, options{}), libServer(s)) })
}
