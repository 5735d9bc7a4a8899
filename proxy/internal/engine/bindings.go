package engine

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A binding is the sockets of one opening at their address.
type binding struct {
	kind   *Kind
	addr   netip.AddrPort
	inodes []uint64
}

// bindings are the bindings of an engine. One on all addresses and others on one
// address each may have the same port: the kernel gives each client to the
// more specific one.
type bindings struct {
	mu  sync.Mutex
	all map[*binding]bool
}

// bind returns n sockets at addr, which no other program may have. Beside a binding
// of the engine itself sockets share the port from the start, and the kernel would
// let another program share it as well. Then bind reads the kernel's list before
// it changes anything and, because a program may have come meanwhile, afterwards.
func (b *bindings) bind(addr netip.AddrPort, n int, k *Kind) ([]int32, *binding, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	beside := b.beside(addr, k)
	if beside && b.taken(addr, k) {
		return nil, nil, os.NewSyscallError("bind", unix.EADDRINUSE)
	}
	fds, err := Bind(addr, n, k, beside)
	if err != nil {
		return nil, nil, err
	}
	it := &binding{k, addr, inodes(fds)}
	if b.all == nil {
		b.all = map[*binding]bool{}
	}
	b.all[it] = true
	if beside && b.taken(addr, k) {
		delete(b.all, it)
		closeAll(fds)
		return nil, nil, os.NewSyscallError("bind", unix.EADDRINUSE)
	}
	return fds, it, nil
}

// release forgets a binding whose sockets are closed.
func (b *bindings) release(it *binding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, it)
}

// beside reports whether the engine has a binding that shares clients with addr
// but is not at the very same address.
func (b *bindings) beside(addr netip.AddrPort, k *Kind) bool {
	found := false
	for it := range b.all {
		if it.kind == k && it.addr == addr {
			return false
		}
		found = found || it.kind == k && overlap(it.addr, addr)
	}
	return found
}

// overlap reports whether both addresses have clients in common.
func overlap(a, b netip.AddrPort) bool {
	x, y := a.Addr(), b.Addr()
	return a.Port() == b.Port() && x.Is4() == y.Is4() && (x == y || x.IsUnspecified() || y.IsUnspecified())
}

// taken reports whether a socket of another program overlaps with addr. Without
// the kernel's lists only the error of bind tells that.
func (b *bindings) taken(addr netip.AddrPort, k *Kind) bool {
	return b.listed(k.List, addr, k) || b.listed(k.List+"6", addr, k)
}

func (b *bindings) listed(list string, addr netip.AddrPort, k *Kind) bool {
	f, err := os.Open("/proc/thread-self/net/" + list) // /proc/net would be that of the first thread
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		s, ok := parseListed(lines.Text())
		switch {
		case !ok:
		case s.state == k.State && overlap(s.addr, addr) && !b.own(s.inode):
			return true
		case s.state != k.State && k.First: // listening sockets come first
			return false
		}
	}
	return false
}

// own reports whether a socket is one of the engine's.
func (b *bindings) own(inode uint64) bool {
	for it := range b.all {
		if slices.Contains(it.inodes, inode) {
			return true
		}
	}
	return false
}

// A listed is a line of /proc/net/tcp and the like.
type listed struct {
	addr  netip.AddrPort
	state string
	inode uint64
}

func parseListed(line string) (s listed, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return s, false
	}
	host, port, _ := strings.Cut(fields[1], ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		return s, false // the heading
	}
	for word := range slices.Chunk(raw, 4) { // each as the host has numbers
		if len(word) == 4 {
			binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
		}
	}
	ip, ok := netip.AddrFromSlice(raw)
	num, err1 := strconv.ParseUint(port, 16, 16)
	inode, err2 := strconv.ParseUint(fields[9], 10, 64)
	return listed{netip.AddrPortFrom(ip.Unmap(), uint16(num)), fields[3], inode}, ok && err1 == nil && err2 == nil
}

func inodes(fds []int32) []uint64 {
	var all []uint64
	for _, fd := range fds {
		var st unix.Stat_t
		if unix.Fstat(int(fd), &st) == nil {
			all = append(all, st.Ino)
		}
	}
	return all
}
