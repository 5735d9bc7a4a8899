package load

import "encoding/binary"

// MinRequest and MinResponse are the sizes of the headers that requests and
// answers begin with.
const (
	MinRequest  = 16
	MinResponse = 8
)

// magic begins every request.
const magic = 0x5b1d

// AppendRequest appends a request of size bytes that wants an answer of
// response bytes, for those who make packets of their own. The answer begins
// with the number of the real server (2 bytes, big endian); sequence is in its
// bytes 4 to 8.
func AppendRequest(b []byte, sequence uint32, size, response int) []byte {
	size, response = max(size, MinRequest), max(response, MinResponse)
	b = binary.BigEndian.AppendUint16(b, magic)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, sequence)
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = binary.BigEndian.AppendUint32(b, uint32(response))
	for at := MinRequest; at < size; {
		n := min(size-at, chunk)
		b = append(b, payload(sequence, at, n)...)
		at += n
	}
	return b
}

// The pattern has a prime period, so that nothing aligned repeats it.
const (
	period = 251
	chunk  = 64 << 10
)

var pattern = func() (p [chunk + period]byte) {
	for i := range p {
		p[i] = byte(i % period)
	}
	return p
}()

// payload returns n bytes, at most chunk, of the message with this sequence
// number from its byte at on.
func payload(sequence uint32, at, n int) []byte {
	from := (int(sequence) + at) % period
	return pattern[from : from+n]
}
