package table

import "math/bits"

// sipHash is SipHash-1-3 (Aumasson and Bernstein, 2012) of one little-endian
// word, folded to 32 bits, under a key of which both halves are the same: what
// a 64-bit kernel calls hsiphash.
func sipHash(word uint32, key uint64) uint32 {
	v := sipState{
		0x736f6d6570736575 ^ key, 0x646f72616e646f6d ^ key,
		0x6c7967656e657261 ^ key, 0x7465646279746573 ^ key,
	}
	// The last block carries the length of the message in its top byte.
	last := 4<<56 | uint64(word)
	v[3] ^= last
	v.round()
	v[0] ^= last
	v[2] ^= 0xff
	v.round()
	v.round()
	v.round()
	return uint32(v[0] ^ v[1] ^ v[2] ^ v[3])
}

type sipState [4]uint64

func (v *sipState) round() {
	v[0] += v[1]
	v[2] += v[3]
	v[1] = bits.RotateLeft64(v[1], 13) ^ v[0]
	v[3] = bits.RotateLeft64(v[3], 16) ^ v[2]
	v[0] = bits.RotateLeft64(v[0], 32)
	v[2] += v[1]
	v[0] += v[3]
	v[1] = bits.RotateLeft64(v[1], 17) ^ v[2]
	v[3] = bits.RotateLeft64(v[3], 21) ^ v[0]
	v[2] = bits.RotateLeft64(v[2], 32)
}
