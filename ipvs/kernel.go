package ipvs

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// A kernel is the table of the network namespace it was opened in. The library
// makes the changes that it can express. Everything else is done here, and so is
// reading, because the library reads counters of 32 bits and weights of 16 bits.
type kernel struct {
	link
	lib   library
	other link // of view
	list  listing
}

// openKernel returns the table of the calling thread's network namespace.
func openKernel(log *slog.Logger) (*kernel, error) {
	k := &kernel{}
	for _, step := range []func() error{
		k.open, k.other.open,
		func() error { return k.checkVersion(log) },
		func() error { return k.lib.open(log) },
	} {
		if err := step(); err != nil {
			k.close()
			return nil, err
		}
	}
	k.list.open()
	return k, nil
}

// findFamily asks for the number of the kernel's interface, which makes it load
// the module. The library must not be asked before that: it asks once in the life
// of the process, and takes a missing answer for success.
func findFamily() (uint16, error) {
	f, err := netlink.GenlFamilyGet("IPVS")
	switch {
	case errors.Is(err, unix.ENOENT):
		return 0, ErrNoIPVS
	case err != nil:
		return 0, fmt.Errorf("ask the kernel for IPVS: %w", err)
	}
	return f.ID, nil
}

// checkVersion asks the kernel for its version of IPVS, which needs the same
// rights as everything else.
func (k *kernel) checkVersion(log *slog.Logger) error {
	msgs, err := k.request(cmdGetInfo, 0)
	switch {
	case errors.Is(err, unix.EPERM):
		return noRights(err)
	case err != nil:
		return fmt.Errorf("ask the kernel for its version of IPVS: %w", err)
	}
	if len(msgs) == 0 || len(msgs[0]) < nl.SizeofGenlmsg {
		return fmt.Errorf("ask the kernel for its version of IPVS: %w", unix.EBADMSG)
	}
	a, err := parse(msgs[0][nl.SizeofGenlmsg:])
	v := a.number(infoVersion)
	log.Debug("kernel has IPVS", "version", fmt.Sprintf("%d.%d.%d", v>>16, v>>8&0xff, v&0xff), "table", a.number(infoTableSize))
	return err
}

// needsOwn reports whether the library cannot describe a real server: it knows only
// the family of the service and IP in IP.
func needsOwn(id dataplane.ServiceID, s server) bool {
	return s.addr.Addr().Is6() != ipv6(id) || s.tunnel != (tunnel{})
}

// ownRequest makes a change without the library.
func (k *kernel) ownRequest(cmd uint8, id dataplane.ServiceID, s server) error {
	_, err := k.request(cmd, unix.NLM_F_ACK, serviceAttr(id), serverAttr(s))
	return err
}

// view implements table.
func (k *kernel) view() viewer { return kernelView{&k.other, &k.list} }

// A kernelView reads by a link of its own, and by the listing.
type kernelView struct {
	*link
	list *listing
}

// prints implements viewer.
func (v kernelView) prints() map[dataplane.ServiceID]uint64 { return v.list.prints() }

// renewed implements table.
func (k *kernel) renewed(tell func()) { k.tell, k.other.tell = tell, tell }

func (k *kernel) close() {
	k.link.close()
	k.other.close()
	k.lib.close()
	k.list.close()
}
