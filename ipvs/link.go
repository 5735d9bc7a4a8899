package ipvs

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// A link is a socket to the kernel, with the number of the kernel's interface for
// IPVS. The number changes when the module is loaded again. It is for one caller
// at a time.
type link struct {
	family uint16
	socket *nl.SocketHandle
	tell   func() // of another number; may be nil
}

// open opens the link in the network namespace of the calling thread.
func (l *link) open() error {
	family, err := findFamily()
	if err != nil {
		return err
	}
	socket, err := nl.GetNetlinkSocketAt(-1, -1, unix.NETLINK_GENERIC)
	if err != nil {
		return fmt.Errorf("open a netlink socket for IPVS: %w", err)
	}
	// The kernel answers before send returns; this only guards against never.
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	_ = socket.SetReceiveTimeout(&limit)
	l.family, l.socket = family, &nl.SocketHandle{Socket: socket}
	return nil
}

// ask sends a command that changes nothing and returns the answers. Where the
// module was loaded anew it asks again.
func (l *link) ask(cmd uint8, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	msgs, err := l.request(cmd, flags, data...)
	if !outdated(err) {
		return msgs, err
	}
	family, lost := findFamily()
	if lost != nil {
		return nil, lost
	}
	if family == l.family {
		return nil, err
	}
	l.family = family
	if l.tell != nil {
		l.tell()
	}
	return l.request(cmd, flags, data...)
}

// outdated reports whether err is the answer to a request for an interface that
// is gone, or that is not the one of IPVS.
func outdated(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP)
}

// request sends one command and returns the answers.
func (l *link) request(cmd uint8, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	req := l.newRequest(cmd, flags, data...)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_GENERIC: l.socket}
	return req.Execute(unix.NETLINK_GENERIC, 0)
}

// newRequest makes one command.
func (l *link) newRequest(cmd uint8, flags int, data ...nl.NetlinkRequestData) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(int(l.family), flags)
	req.AddData(&nl.Genlmsg{Command: cmd, Version: 1})
	for _, d := range data {
		req.AddData(d)
	}
	return req
}

// read implements table and viewer.
func (l *link) read(id dataplane.ServiceID) (entry, error) {
	msgs, err := l.ask(cmdGetService, 0, serviceAttr(id))
	if err != nil {
		return entry{}, err
	}
	if len(msgs) == 0 {
		return entry{}, unix.ESRCH
	}
	_, e, err := parseService(msgs[0])
	if err != nil {
		return entry{}, err
	}
	e.servers, err = l.servers(id)
	return e, err
}

// services implements viewer.
func (l *link) services() (map[dataplane.ServiceID]entry, error) {
	msgs, err := l.dump(cmdGetService)
	if err != nil {
		return nil, err
	}
	all := make(map[dataplane.ServiceID]entry, len(msgs))
	for _, m := range msgs {
		id, e, err := parseService(m)
		if err != nil {
			return nil, err
		}
		all[id] = e
	}
	return all, nil
}

// servers implements viewer.
func (l *link) servers(id dataplane.ServiceID) ([]serverEntry, error) {
	msgs, err := l.dump(cmdGetDest, serviceAttr(id))
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

// dump asks for a list, and asks again if it was changed meanwhile.
func (l *link) dump(cmd uint8, data ...nl.NetlinkRequestData) (msgs [][]byte, err error) {
	for range 10 {
		msgs, err = l.ask(cmd, unix.NLM_F_DUMP, data...)
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			break
		}
	}
	return msgs, err
}

func (l *link) close() {
	if l.socket != nil {
		l.socket.Close()
	}
}
