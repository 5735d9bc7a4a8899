package alert

import (
	"log/slog"
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
		queue: s.Queue, attempt: s.Attempt, pauses: s.Pauses, programs: s.Programs,
		me: identity{user: "shunt", host: "lb1.example.com"},
	})
}

// RelayAddr splits what the directive smtp says.
func RelayAddr(relay string) (host, address string) { return relayAddr(relay) }
