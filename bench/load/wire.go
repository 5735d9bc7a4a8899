package load

import (
	"bytes"
	"encoding/binary"
)

// MinRequest and MinAnswer are the sizes of the headers that requests and
// answers begin with.
const (
	MinRequest = 16
	MinAnswer  = 8
)

// A message begins with a header: a request with magic, a byte of flags, one
// that is 0, its sequence number, its size and that of the answer it wants (4
// bytes each); an answer with the number of the real server, a byte of flags,
// answerMagic and the sequence number. The pattern follows.
const (
	magic       = 0x5b1d
	answerMagic = 0xa5

	discard = 1 // of a request: do not look at the pattern
	apart   = 2 // of a request: write the header of the answer and the rest apart
	damaged = 1 // of an answer: the request's pattern was not right
)

// A request is what the header of one says.
type request struct {
	sequence     uint32
	size, answer uint32
	flags        byte
}

// AppendRequest appends a request of size bytes that wants an answer of
// answer bytes, for those who make packets of their own. The answer begins
// with the number of the real server (2 bytes, big endian); the sequence number
// is in its bytes 4 to 8. The capacity of b is used where it suffices.
func AppendRequest(b []byte, sequence uint32, size, answer int) []byte {
	r := request{sequence: sequence, size: uint32(max(size, MinRequest)), answer: uint32(max(answer, MinAnswer))}
	b = r.append(b)
	for at := MinRequest; at < int(r.size); {
		n := min(int(r.size)-at, chunk)
		b = append(b, payload(sequence, at, n)...)
		at += n
	}
	return b
}

func (r request) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, magic)
	b = append(b, r.flags, 0)
	b = binary.BigEndian.AppendUint32(b, r.sequence)
	b = binary.BigEndian.AppendUint32(b, r.size)
	return binary.BigEndian.AppendUint32(b, r.answer)
}

// parseRequest reads a header, and reports whether it is one.
func parseRequest(b []byte) (r request, ok bool) {
	if len(b) < MinRequest || binary.BigEndian.Uint16(b) != magic {
		return r, false
	}
	r = request{
		flags:    b[2],
		sequence: binary.BigEndian.Uint32(b[4:]),
		size:     binary.BigEndian.Uint32(b[8:]),
		answer:   binary.BigEndian.Uint32(b[12:]),
	}
	return r, r.size >= MinRequest && r.answer >= MinAnswer
}

func appendAnswer(b []byte, number uint16, flags byte, sequence uint32) []byte {
	b = binary.BigEndian.AppendUint16(b, number)
	b = append(b, flags, answerMagic)
	return binary.BigEndian.AppendUint32(b, sequence)
}

// checkAnswer looks at the bytes of an answer from at on, whatever pieces they
// came in, and adds what they say of the real server's number to it.
func checkAnswer(b []byte, sequence uint32, at int, number *uint16, trust bool) fault {
	for ; at < MinAnswer && len(b) > 0; at, b = at+1, b[1:] {
		switch {
		case at < 2:
			*number = *number<<8 | uint16(b[0])
		case at == 2 && b[0] == damaged:
			return changedRequest
		case at == 2 && b[0] != 0, at == 3 && b[0] != answerMagic:
			return notAnAnswer
		case at > 3 && b[0] != byte(sequence>>(8*(MinAnswer-1-at))):
			return otherAnswer
		}
	}
	if !trust && !matches(b, sequence, at) {
		return changedAnswer
	}
	return noFault
}

// matches reports whether b is what a message says from at on.
func matches(b []byte, sequence uint32, at int) bool {
	for len(b) > 0 {
		n := min(len(b), chunk)
		if !bytes.Equal(b[:n], payload(sequence, at, n)) {
			return false
		}
		at, b = at+n, b[n:]
	}
	return true
}

// The pattern has a prime period, so that nothing aligned repeats it.
const (
	period = 251
	chunk  = 256 << 10
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
	from := (int(sequence%period) + at) % period
	return pattern[from : from+n]
}

// headPiece is how much of a message is copied behind its header to be sent in
// one piece; what follows is sent from the pattern, without a copy.
const headPiece = 16 << 10

// piece returns bytes of a message from at on, at least one of those left.
// header is in front of scratch, which holds headPiece bytes.
func piece(scratch []byte, header int, sequence uint32, at, size int) []byte {
	if at >= headPiece {
		return payload(sequence, at, min(size-at, chunk))
	}
	n := min(size, headPiece)
	copy(scratch[header:n], payload(sequence, header, n-header))
	return scratch[at:n]
}
