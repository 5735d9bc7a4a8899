package alert

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"time"
)

// Settings are what a test may choose; the identity is shunt@lb1.example.com.
type Settings struct {
	Queue    int
	Attempt  time.Duration
	Pauses   []time.Duration
	Programs []string
}

// NewWith is New with other settings.
func NewWith(log *slog.Logger, s Settings) *Sender {
	return newSender(log, settings{
		queue: s.Queue, delivery: time.Hour, attempt: s.Attempt, pauses: s.Pauses, programs: s.Programs,
		me: identity{user: "shunt", host: "lb1.example.com"}, dial: new(net.Dialer).DialContext,
	})
}

// NewDialing is New with connections to a relay that dial makes.
func NewDialing(log *slog.Logger, dial func(context.Context) (net.Conn, error)) *Sender {
	set := normal()
	set.me = identity{user: "shunt", host: "lb1.example.com"}
	set.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	return newSender(log, set)
}

// Compose returns what would be sent, and to whom.
func Compose(m Mail) (raw []byte, to []string, err error) {
	l, _, err := compose(m, identity{user: "shunt", host: "lb1.example.com"})
	if err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	_, err = l.msg.WriteTo(&b)
	return b.Bytes(), append(l.to, l.sender), err
}

// RelayAddr splits what the directive smtp says.
func RelayAddr(relay string) (host, address string) { return relayAddr(relay) }

// Finish delivers what is queued, in as many attempts as it takes.
func (s *Sender) Finish() {
	s.mu.Lock()
	s.closed = true
	close(s.queue)
	s.mu.Unlock()
	<-s.done
}

// PostOverPipes is Post to a receiver that serves connections in memory.
func PostOverPipes(ctx context.Context, last <-chan struct{}, address string, serve func(net.Conn)) error {
	return post(ctx, last, address, hookClient(nil, func(context.Context, string, string) (net.Conn, error) {
		mine, theirs := net.Pipe()
		go func() {
			serve(theirs)
			_ = theirs.Close()
		}()
		return mine, nil
	}), nil)
}
