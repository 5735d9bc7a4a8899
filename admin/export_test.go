package admin

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

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

// Gatherer reads what /metrics answers, as a scrape does. The same sample twice is
// an error.
func (s *Server) Gatherer() prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		w := httptest.NewRecorder()
		s.Public().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		seen := map[string]bool{}
		for line := range strings.Lines(w.Body.String()) {
			key := line
			if !strings.HasPrefix(line, "#") {
				key = line[:strings.LastIndexByte(line, ' ')]
			}
			if seen[key] {
				return nil, fmt.Errorf("twice: %s", key)
			}
			seen[key] = true
		}
		p := expfmt.NewTextParser(model.UTF8Validation)
		parsed, err := p.TextToMetricFamilies(w.Body)
		var all []*dto.MetricFamily
		for _, name := range slices.Sorted(maps.Keys(parsed)) {
			for _, m := range parsed[name].GetMetric() {
				slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
			}
			all = append(all, parsed[name])
		}
		return all, err
	})
}

// Reason classifies the latest check of r.
func Reason(r director.ServerStatus) string { return latestReason(&r) }
