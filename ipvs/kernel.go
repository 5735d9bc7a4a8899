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
// makes the changes it has words for; everything else, and reading back, which
// it does with 32-bit counters and 16-bit weights, is asked for here.
type kernel struct {
	family uint16
	socket *nl.SocketHandle
	lib    library
}

// openKernel returns the table of the calling thread's network namespace.
func openKernel(log *slog.Logger) (*kernel, error) {
	family, err := findFamily()
	if err != nil {
		return nil, err
	}
	socket, err := nl.GetNetlinkSocketAt(-1, -1, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket for IPVS: %w", err)
	}
	k := &kernel{family: family, socket: &nl.SocketHandle{Socket: socket}}
	// The kernel answers before send returns; this only guards against never.
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	_ = socket.SetReceiveTimeout(&limit)
	if err := k.introduce(log); err != nil {
		socket.Close()
		return nil, err
	}
	if err := k.lib.open(log); err != nil {
		socket.Close()
		return nil, err
	}
	return k, nil
}

// findFamily asks for the number of the kernel's interface, which makes it
// load the module. The library must not be asked before: it asks once in the
// life of the process, and takes no answer for success.
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

// introduce asks the kernel for its version of IPVS, which takes the rights
// that everything else takes too.
func (k *kernel) introduce(log *slog.Logger) error {
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

// request sends one command and returns the answers.
func (k *kernel) request(cmd uint8, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	req := k.newRequest(cmd, flags, data...)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_GENERIC: k.socket}
	return req.Execute(unix.NETLINK_GENERIC, 0)
}

// newRequest makes one command.
func (k *kernel) newRequest(cmd uint8, flags int, data ...nl.NetlinkRequestData) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(int(k.family), flags)
	req.AddData(&nl.Genlmsg{Command: cmd, Version: 1})
	for _, d := range data {
		req.AddData(d)
	}
	return req
}

// read implements table.
func (k *kernel) read(id dataplane.ServiceID) (entry, error) {
	msgs, err := k.request(cmdGetService, 0, serviceAttr(id))
	if err != nil {
		return entry{}, err
	}
	if len(msgs) == 0 {
		return entry{}, unix.ESRCH
	}
	e, err := parseService(msgs[0])
	if err != nil {
		return entry{}, err
	}
	e.servers, err = k.servers(id)
	return e, err
}

// servers reads the real servers of a service.
func (k *kernel) servers(id dataplane.ServiceID) ([]serverEntry, error) {
	msgs, err := k.dump(cmdGetDest, serviceAttr(id))
	if err != nil {
		return nil, err
	}
	servers := make([]serverEntry, len(msgs))
	for i, m := range msgs {
		if servers[i], err = parseServer(m, family(ipv6(id))); err != nil {
			return nil, err
		}
	}
	return servers, nil
}

// dump asks for a list, again if somebody changed it meanwhile.
func (k *kernel) dump(cmd uint8, data nl.NetlinkRequestData) (msgs [][]byte, err error) {
	for range 10 {
		msgs, err = k.request(cmd, unix.NLM_F_DUMP, data)
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			break
		}
	}
	return msgs, err
}

// beyond reports whether the library has no words for a real server: it knows
// no other family than that of the service, and no tunnel but IP in IP.
func beyond(id dataplane.ServiceID, s server) bool {
	return s.addr.Addr().Is6() != ipv6(id) || s.tunnel != (tunnel{})
}

// own makes a change by a request of our own.
func (k *kernel) own(cmd uint8, id dataplane.ServiceID, s server) error {
	_, err := k.request(cmd, unix.NLM_F_ACK, serviceAttr(id), serverAttr(s))
	return err
}

func (k *kernel) close() {
	k.socket.Close()
	k.lib.close()
}
