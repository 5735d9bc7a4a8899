package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shunt-lb/shunt/director"
)

// Patience is how long the director may take to answer.
const Patience = patience

// SetPace sets how long a client may take for a piece of an answer.
func (s *Server) SetPace(d time.Duration) { s.pace = d }

// Bounds of the admin address.
const (
	MaxConns   = maxConns
	MaxAnswers = maxAnswers
	MaxAsking  = maxAsking
)

// Claim takes a control socket's path and listens there.
func Claim(ctx context.Context, path string) (net.Listener, error) {
	return listenControl(ctx, controlSocket{path: path}, slog.New(slog.DiscardHandler))
}

// Public is what the TCP address serves, for tests that must not open one.
func (s *Server) Public() http.Handler { return s.public() }

// Gatherer is what /metrics reads.
func (s *Server) Gatherer() prometheus.Gatherer { return s.registry }

// Reason classifies the latest check of r.
func Reason(r director.ServerStatus) string { return latestReason(&r) }
