package load

import (
	"golang.org/x/sys/unix"
)

// A fault is the reason why an operation failed: the attempted call in the high
// byte and the error number in the low one, or one of the constants.
type fault uint16

const (
	noFault fault = iota
	lateConnection
	lateAnswer
	lostDatagram
	noneFree
	closedBefore
	closedWithin
	notAnAnswer
	otherAnswer
	changedAnswer
	changedRequest
	tooMuch
	unrequested
	wrongAddress
	secondAnswer
	notARequest
	notOpened
)

// These were attempted when the kernel returned an error.
const (
	opening fault = (iota + 1) << 8
	binding
	connecting
	sending
	receiving
	accepting
	attempts
)

var faultTexts = map[fault]string{
	lateConnection: "no connection in time",
	lateAnswer:     "no answer in time",
	lostDatagram:   "no answer to a datagram in time",
	noneFree:       "every connection was busy for too long",
	closedBefore:   "closed before the answer",
	closedWithin:   "closed within the answer",
	notAnAnswer:    "an answer that is none",
	otherAnswer:    "the answer to another request",
	changedAnswer:  "an answer changed on its way",
	changedRequest: "a request changed on its way",
	tooMuch:        "more bytes than were due",
	unrequested:    "bytes nobody asked for",
	wrongAddress:   "an answer from an address that was not asked",
	secondAnswer:   "an answer too late, or a second one",
	notARequest:    "a request that is none",
	notOpened:      "not opened in time",
}

var attemptNames = map[fault]string{
	opening:    "socket",
	binding:    "bind",
	connecting: "connect",
	sending:    "send",
	receiving:  "receive",
	accepting:  "accept",
}

// because is the fault of an attempt that the kernel refused.
func because(attempt fault, errno unix.Errno) fault { return attempt | fault(errno)&0xff }

func (f fault) String() string {
	if attempt := f &^ 0xff; attempt != 0 {
		return attemptNames[attempt] + ": " + unix.Errno(f&0xff).Error()
	}
	return faultTexts[f]
}

// faults counts by kind, without allocating.
type faults [attempts]uint64

func (c *faults) byKind() (kinds map[string]int, all uint64) {
	for f, n := range c {
		if n == 0 {
			continue
		}
		if kinds == nil {
			kinds = map[string]int{}
		}
		kinds[fault(f).String()] += int(n)
		all += n
	}
	return kinds, all
}
