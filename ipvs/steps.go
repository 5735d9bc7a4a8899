package ipvs

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
)

// batchSize is how many requests go to the kernel in one message: the answers
// to all of them have to find room in the socket.
const batchSize = 64

// applySteps implements table. A single step is a call of the library; several are
// sent together, which the library cannot do, and which takes a third of the
// time.
func (k *kernel) applySteps(id dataplane.ServiceID, steps []step) []error {
	if len(steps) == 1 {
		return []error{steps[0].on(k, id)} // the usual case
	}
	errs := make([]error, 0, len(steps))
	for chunk := range slices.Chunk(steps, batchSize) {
		errs = append(errs, k.batch(id, chunk)...)
	}
	return errs
}

// batch sends steps in one message and returns the error of each. The kernel
// takes them in order, and goes on after one that fails. It sends an error for
// each of those, and an acknowledgement for the last, which asks for one.
func (k *kernel) batch(id dataplane.ServiceID, steps []step) []error {
	message := make([]byte, 0, 256*len(steps))
	service := serviceAttr(id).Serialize()
	var last uint32
	index := make(map[uint32]int, len(steps)) // by sequence number
	for i, s := range steps {
		flags := 0
		if i == len(steps)-1 {
			flags = unix.NLM_F_ACK
		}
		req := k.stepRequest(flags, id, service, s)
		message = append(message, req.Serialize()...)
		last, index[req.Seq] = req.Seq, i
	}
	errs := make([]error, len(steps))
	broken := k.exchange(message, last, func(seq uint32, err error) {
		if i, ours := index[seq]; ours {
			errs[i] = err
		}
	})
	for i := range errs {
		errs[i] = cmp.Or(errs[i], broken)
	}
	return errs
}

// stepRequest returns the request for a step. service is the attribute of the
// service, the same for all its real servers.
func (k *kernel) stepRequest(flags int, id dataplane.ServiceID, service []byte, s step) *nl.NetlinkRequest {
	if s.verb == addService || s.verb == setService {
		whole := serviceAttr(id)
		addOptions(whole, s.options)
		return k.newRequest(commands[s.verb], flags, whole)
	}
	req := k.newRequest(commands[s.verb], flags)
	req.AddRawData(slices.Concat(service, serverAttr(s.server).Serialize()))
	return req
}

var commands = [...]uint8{addService: cmdNewService, setService: cmdSetService, addServer: cmdNewDest, setServer: cmdSetDest, delServer: cmdDelDest}

// exchange sends a message and reports failures until there is an answer to the
// last request in it. An error means that some failures may not have been
// reported.
func (k *kernel) exchange(message []byte, last uint32, failed func(seq uint32, err error)) error {
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if err := unix.Sendto(k.socket.Socket.GetFd(), message, 0, to); err != nil {
		return fmt.Errorf("send to the kernel: %w", err)
	}
	for {
		answers, _, err := k.socket.Socket.Receive()
		if err != nil {
			return fmt.Errorf("receive from the kernel: %w", err)
		}
		for _, a := range answers {
			if a.Header.Type != unix.NLMSG_ERROR || len(a.Data) < 4 {
				continue
			}
			if errno := -int32(binary.NativeEndian.Uint32(a.Data)); errno != 0 {
				failed(a.Header.Seq, unix.Errno(errno))
			}
			if a.Header.Seq == last {
				return nil
			}
		}
	}
}
