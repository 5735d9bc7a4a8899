package dgram

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A control holds the control messages of one datagram: the director's own
// address, and the size of segments.
type control [8]uint64

const controlSize = int(unsafe.Sizeof(control{}))

func (c *control) at(offset int) *unix.Cmsghdr {
	return (*unix.Cmsghdr)(unsafe.Add(unsafe.Pointer(c), offset))
}

// add appends a message with room for size bytes of data. It returns the place of
// the data and the new length.
func (c *control) add(n int, level, kind int32, size int) (unsafe.Pointer, int) {
	h := c.at(n)
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	return unsafe.Add(unsafe.Pointer(h), unix.CmsgLen(0)), n + unix.CmsgSpace(size)
}

// from adds the source address of a datagram and returns the new length.
func (c *control) from(family uint16, local *[16]byte) int {
	if family == unix.AF_INET {
		data, n := c.add(0, unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		*(*unix.Inet4Pktinfo)(data) = unix.Inet4Pktinfo{Spec_dst: [4]byte(local[:4])}
		return n
	}
	data, n := c.add(0, unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	*(*unix.Inet6Pktinfo)(data) = unix.Inet6Pktinfo{Addr: *local}
	return n
}

// segments makes the kernel cut the message into datagrams of size bytes, of which
// the last may be shorter.
func (c *control) segments(n int, size uint16) int {
	data, n := c.add(n, unix.SOL_UDP, unix.UDP_SEGMENT, 2)
	*(*uint16)(data) = size
	return n
}

// parse returns the information on a received datagram in the first n bytes: its
// destination, and the size of the datagrams in a run.
func (c *control) parse(n int) (local [16]byte, segment int) {
	for at := 0; at+unix.SizeofCmsghdr <= n; {
		h := c.at(at)
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || at+size > n {
			break
		}
		data := unsafe.Add(unsafe.Pointer(h), unix.CmsgLen(0))
		switch {
		case h.Level == unix.SOL_IP && h.Type == unix.IP_PKTINFO:
			spec := (*unix.Inet4Pktinfo)(data).Spec_dst
			copy(local[:], spec[:])
		case h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_PKTINFO:
			local = (*unix.Inet6Pktinfo)(data).Addr
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO:
			segment = int(*(*int32)(data))
		}
		at += unix.CmsgSpace(size - unix.CmsgLen(0))
	}
	return local, segment
}
