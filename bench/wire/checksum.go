package wire

import (
	"encoding/binary"
	"net/netip"
)

// sum adds the 16-bit words of b to start in ones' complement arithmetic, as
// RFC 1071 has it. Over what includes its checksum it is 0xffff.
func sum(b []byte, start uint32) uint16 {
	s := uint64(start)
	for ; len(b) >= 4; b = b[4:] {
		s += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return fold(s)
}

func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// pseudo is the sum of the header that TCP and UDP checksums cover besides
// their own (RFC 9293 section 3.1, RFC 8200 section 8.1).
func pseudo(src, dst netip.Addr, proto uint8, size int) uint32 {
	from, to := src.AsSlice(), dst.AsSlice()
	return uint32(sum(from, uint32(sum(to, uint32(proto)+uint32(size)))))
}

// patch returns the checksum of a packet of which the bytes old have become
// new, at an even place (RFC 1624 equation 3).
func patch(checksum uint16, old, now []byte) uint16 {
	s := uint64(^checksum)
	for i := 0; i < len(old); i += 2 {
		s += uint64(^binary.BigEndian.Uint16(old[i:])) + uint64(binary.BigEndian.Uint16(now[i:]))
	}
	return ^fold(s)
}
