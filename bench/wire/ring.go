package wire

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of the ring that the kernel fills, Documentation/networking/packet_mmap.rst.
const (
	blockSize  = 256 << 10
	blockTime  = 10 // ms after which a block is handed over though it is not full
	headerSize = unsafe.Sizeof(unix.Tpacket3Hdr{})
	notReady   = unix.TP_STATUS_CSUMNOTREADY
)

// A ring is a socket that captures frames of one link into memory shared with
// the kernel (TPACKET_V3). One goroutine reads it.
type ring struct {
	fd      int
	memory  []byte
	block   int
	next    int // the block that comes next
	dropped uint64
}

// A frame is what the ring holds of one frame. data is valid during the call
// that hands it over.
type frame struct {
	at         int64 // ns since 1970
	kind       uint8 // unix.PACKET_HOST, PACKET_OUTGOING, ...
	unfinished bool  // its checksum is yet to be computed
	length     int   // on the wire
	data       []byte
}

// openRing captures what passes link, in the calling thread's namespace, and
// the filter.
func openRing(link, size int, filter []unix.SockFilter) (*ring, error) {
	// Without a protocol nothing arrives before the filter is in place.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	r := &ring{fd: fd}
	if err := r.prepare(link, size, filter); err != nil {
		_ = r.close()
		return nil, err
	}
	return r, nil
}

func (r *ring) prepare(link, size int, filter []unix.SockFilter) error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("TPACKET_V3: %w", err)
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("packet filter: %w", err)
	}
	if err := r.allocate(size); err != nil {
		return err
	}
	all := uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8)
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

func (r *ring) allocate(size int) (err error) {
	page := unix.Getpagesize()
	r.block = min(blockSize, max(size/2/page, 1)*page)
	blocks := max(size/r.block, 2)
	req := unix.TpacketReq3{
		Block_size: uint32(r.block), Block_nr: uint32(blocks),
		Frame_size: uint32(page), Frame_nr: uint32(blocks * r.block / page),
		Retire_blk_tov: blockTime,
	}
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("ring of %d bytes: %w", blocks*r.block, err)
	}
	r.memory, err = unix.Mmap(r.fd, 0, blocks*r.block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	return nil
}

// wait returns when there is something to read, or after ms milliseconds.
func (r *ring) wait(ms int) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN | unix.POLLERR}}, ms)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for packets: %w", err)
	}
	return nil
}

// read hands over every frame of the blocks that are complete, and returns how
// many there were.
func (r *ring) read(take func(frame)) int {
	var n int
	for {
		block := r.memory[r.next*r.block : (r.next+1)*r.block]
		head := (*unix.TpacketHdrV1)(unsafe.Pointer(&block[unsafe.Offsetof(unix.TpacketBlockDesc{}.Hdr)]))
		if atomic.LoadUint32(&head.Block_status)&unix.TP_STATUS_USER == 0 {
			return n
		}
		n += int(head.Num_pkts)
		eachFrame(block, int(head.Offset_to_first_pkt), int(head.Num_pkts), take)
		atomic.StoreUint32(&head.Block_status, unix.TP_STATUS_KERNEL)
		r.next = (r.next + 1) % (len(r.memory) / r.block)
	}
}

func eachFrame(block []byte, at, n int, take func(frame)) {
	for range n {
		head := (*unix.Tpacket3Hdr)(unsafe.Pointer(&block[at]))
		from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&block[at+int(headerSize)]))
		start := at + int(head.Mac)
		take(frame{
			at:         int64(head.Sec)*1e9 + int64(head.Nsec),
			kind:       from.Pkttype,
			unfinished: head.Status&notReady != 0,
			length:     int(head.Len),
			data:       block[start : start+int(head.Snaplen)],
		})
		at += int(head.Next_offset)
	}
	runtime.KeepAlive(block)
}

// drops returns how many frames the kernel had no room for, so far.
func (r *ring) drops() (uint64, error) {
	// Reading resets the kernel's count.
	st, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return r.dropped, fmt.Errorf("read PACKET_STATISTICS: %w", err)
	}
	r.dropped += uint64(st.Drops)
	return r.dropped, nil
}

func (r *ring) close() error {
	if r.memory != nil {
		_ = unix.Munmap(r.memory)
		r.memory = nil
	}
	return unix.Close(r.fd)
}
