package icmp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/net/icmp"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

const (
	// pingData is the length of the data in an echo request. It begins with a
	// nonce.
	pingData = 64
	// maxPacket has room for an answer and for what a router quotes: 576 bytes
	// in IPv4, 1280 in IPv6. Longer ones are cut off and answer no ping.
	maxPacket = 2048
	// receiveBuffer has room for the answers to some thousand pings that were
	// sent at once.
	receiveBuffer = 8 << 20
)

var errNoRight = errors.New("needs CAP_NET_RAW or a group within net.ipv4.ping_group_range")

// An socket sends the echo requests of one address family and takes the
// answers to the checks that wait for them. It is not an icmp.PacketConn
// because that one blocks in WriteTo, beyond any context, while the kernel
// keeps too many requests to dead hosts.
type socket struct {
	fam  *family
	file *os.File
	raw  rawConn
	// id is the identifier of all requests. The kernel has a datagram socket
	// use another one, and gives it no one else's answers.
	id       int
	datagram bool
	closed   chan struct{} // when nobody receives any more

	mu      sync.Mutex
	waiting map[uint16]*echo // by sequence number
	last    uint16
	broken  error // why nobody receives any more
}

// rawConn is what is needed of syscall.RawConn.
type rawConn interface {
	Read(func(fd uintptr) (done bool)) error
	Write(func(fd uintptr) (done bool)) error
}

// An echo is a request under way.
type echo struct {
	dst    netip.Addr // without zone
	nonce  uint64
	result chan error // takes one
}

// open opens a socket and starts to receive. close ends both.
func open(fam *family) (*socket, error) {
	kind := unix.SOCK_RAW
	fd, err := unix.Socket(fam.domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, fam.protocol)
	if denied(err) {
		kind = unix.SOCK_DGRAM
		fd, err = unix.Socket(fam.domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, fam.protocol)
	}
	if denied(err) {
		return nil, fmt.Errorf("%w: %w", errNoRight, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open a socket for %s: %w", fam.name, err)
	}
	s := &socket{
		fam: fam, file: os.NewFile(uintptr(fd), fam.name), id: rand.IntN(1 << 16), datagram: kind == unix.SOCK_DGRAM,
		closed: make(chan struct{}), waiting: map[uint16]*echo{}, last: uint16(rand.Uint32()),
	}
	if err := s.prepare(fd); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	go s.receive()
	return s, nil
}

func denied(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) }

func (s *socket) prepare(fd int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		// Without CAP_NET_ADMIN it is as much as the system lets have.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	if !s.datagram {
		if err := s.fam.filter(fd); err != nil {
			return fmt.Errorf("filter a socket for %s: %w", s.fam.name, err)
		}
	}
	raw, err := s.file.SyscallConn()
	s.raw = raw
	return err
}

// close ends the socket and waits until nobody receives any more.
func (s *socket) close() {
	_ = s.file.Close()
	<-s.closed
}

// echo sends one request to dst and waits for what comes of it.
func (s *socket) echo(ctx context.Context, dst netip.Addr) error {
	e := &echo{dst: dst.WithZone(""), nonce: rand.Uint64(), result: make(chan error, 1)}
	data := binary.BigEndian.AppendUint64(make([]byte, 0, pingData), e.nonce)[:pingData]
	seq, err := s.register(e)
	if err != nil {
		return err
	}
	defer s.forget(seq)
	if err := s.send(ctx, dst, &icmp.Echo{ID: s.id, Seq: int(seq), Data: data}); err != nil {
		return err
	}
	select {
	case err := <-e.result:
		return err
	case <-ctx.Done():
		return &failure.Cause{Err: ctx.Err()}
	}
}

// register finds a sequence number for e.
func (s *socket) register(e *echo) (uint16, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return 0, s.broken
	}
	for range 1 << 16 {
		s.last++
		if s.waiting[s.last] == nil {
			s.waiting[s.last] = e
			return s.last, nil
		}
	}
	return 0, errors.New("too many pings at once")
}

func (s *socket) forget(seq uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, seq)
}
