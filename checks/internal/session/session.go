// Package session says how a check talks with a real server: as a state
// machine that is told what has arrived and answers what is to be sent. It
// knows no clock, descriptor or goroutine, so that an event loop, a blocking
// connection, TLS and a fuzz test can all drive the same one.
//
// The package imports nothing of the project.
package session

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"
)

// A Session is one side of conversations with one real server, one after
// another. It is made once for each real server and allocates nothing for a
// conversation that goes well. It is not for several goroutines at once.
type Session interface {
	// Begin begins a conversation, whatever became of the one before. The
	// connection has been made, and a PROXY header sent where one is wanted.
	Begin() Step
	// Feed is told what has arrived since the last call: a part of the
	// stream, or one datagram. b is valid during the call only. With eof the
	// real server sends nothing after b; no Feed follows.
	Feed(b []byte, eof bool) Step
	// End is told that the conversation ends before the Session was done: at
	// its deadline, by a reset, or cancelled. It returns nil if what has
	// arrived is a good answer nevertheless, a verdict of its own, or cause.
	End(cause error) error
}

// A Step is what a Session wants next.
type Step struct {
	// Send is sent before anything else is read. It is valid until the next
	// call. Whether it could be sent is not reported: what comes back says.
	Send []byte
	// CloseWrite: the sending direction is closed once Send is sent.
	CloseWrite bool
	// Until says what the Session waits for, for the words of a timeout or a
	// connection that ends: "while waiting for the greeting". Empty is as
	// before.
	Until string
	// Done: the conversation is over; Send is sent before the connection is
	// closed. Err is its verdict, nil that the real server is well.
	Done bool
	Err  error
	// Next, if it is not nil, ends the connection and goes on over another one,
	// within the same time. Send is the first that is sent there.
	Next *Hop
	// Rest, if it is not nil, is the rest of the conversation: a part that may
	// take its time, such as matching a large answer. It may block, reads what
	// else arrives from conn, ends soon after ctx does, and returns the verdict.
	// An event loop runs it in a goroutine. No call of the Session follows.
	Rest func(ctx context.Context, conn io.Reader) error
}

// A Hop is another connection to the real server of a conversation.
type Hop struct {
	Addr netip.AddrPort
	TLS  *tls.Config // nil: none
}

// GiveBack ends a conversation of which nobody wants the verdict, so that the session
// gives back what it holds of an answer. It never panics, although the session may
// have.
func GiveBack(s Session) {
	defer func() { _ = recover() }()
	_ = s.End(context.Canceled)
}
