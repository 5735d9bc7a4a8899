package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/shunt-lb/shunt/admin/page"
	"github.com/shunt-lb/shunt/admin/schema"
	"github.com/shunt-lb/shunt/director"
)

// configParameter names, in a request on the control socket, the absolute path
// of the configuration whose director is meant.
const configParameter = "config"

// public is what the TCP address serves. A pattern with GET takes HEAD too
// and leaves 405 for the rest.
func (s *Server) public() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.bounded(s.metrics))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /api/v1/status", s.bounded(s.getStatus))
	mux.HandleFunc("GET /api/v1/schema", getSchema)
	mux.HandleFunc("GET /api/v1/history", s.bounded(s.getHistory))
	mux.HandleFunc("GET /api/v1/orders", s.bounded(s.ordered(s.getOrders)))
	mux.HandleFunc("GET /api/v1/explain", s.bounded(s.ordered(s.getExplanation)))
	mux.HandleFunc("GET /{$}", s.bounded(s.views.page.ServeHTTP))
	mux.HandleFunc("GET /api/v1/stream", s.views.page.Stream)
	mux.HandleFunc("GET /api/v1/events", s.getEvents())
	mux.HandleFunc("POST /api/v1/orders", s.gate.admit(s.ordered(s.postOrder)))
	mux.HandleFunc("POST /api/v1/fallback", s.gate.admit(s.ordered(s.postFallback)))
	mux.HandleFunc("POST /api/v1/reload", s.gate.admit(s.postReload))
	return secure(mux)
}

// control is what the control socket serves.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/status", s.bounded(s.getStatus))
	mux.HandleFunc("GET /api/v1/schema", getSchema)
	mux.HandleFunc("GET /api/v1/history", s.bounded(s.getHistory))
	mux.HandleFunc("GET /api/v1/connections", s.getConnections)
	mux.HandleFunc("GET /api/v1/events", s.getEvents())
	mux.HandleFunc("POST /api/v1/reload", s.postReload)
	mux.HandleFunc("GET /api/v1/orders", s.bounded(s.ordered(s.getOrders)))
	mux.HandleFunc("GET /api/v1/explain", s.bounded(s.ordered(s.getExplanation)))
	mux.HandleFunc("POST /api/v1/orders", s.ordered(s.postOrder))
	mux.HandleFunc("POST /api/v1/fallback", s.ordered(s.postFallback))
	return untimed(secure(s.addressed(mux)))
}

// addressed refuses who asks for the director of another configuration than
// this one's.
func (s *Server) addressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		meant := r.URL.Query().Get(configParameter)
		if meant == "" || s.config == "" || sameConfig(meant, s.config) {
			next.ServeHTTP(w, r)
			return
		}
		writeJSON(w, r, http.StatusMisdirectedRequest,
			Failure{fmt.Sprintf("this shunt runs %s, not %s", s.config, meant)})
	})
}

// secure sets what holds for every answer: nothing is kept, guessed about or
// shown inside another page.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", page.Policy)
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// A Failure is the JSON of every answer that is not the one asked for.
type Failure struct {
	Error string `json:"error"`
}

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) {
	st, err := s.status(r.Context())
	if err != nil {
		writeJSON(w, r, http.StatusServiceUnavailable, Failure{err.Error()})
		return
	}
	if r.URL.Query().Has("pretty") {
		writeJSON(w, r, http.StatusOK, st)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	_ = writeStatus(w, st) // the client has gone: there is nobody to tell
}

// getSchema answers with the JSON Schema of all answers.
func getSchema(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = w.Write(schema.V1) // the client has gone: there is nobody to tell
}

// getHistory answers with the latest checks of the real servers that the
// parameters real and service name.
func (s *Server) getHistory(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, func(ctx context.Context, q url.Values) (any, error) {
		return s.source.History(ctx, q.Get("service"), q.Get("real"))
	})
}

// postReload reloads and answers with what that has changed; with the parameter dry it
// answers with what it would change.
func (s *Server) postReload(w http.ResponseWriter, r *http.Request) {
	plan, err := s.reload(r.Context(), r.URL.Query().Has("dry"))
	switch {
	case err == nil:
		writeJSON(w, r, http.StatusOK, plan)
	case r.Context().Err() != nil, errors.Is(err, director.ErrStopped):
		writeJSON(w, r, http.StatusServiceUnavailable, Failure{"shunt is stopping: " + err.Error()})
	default:
		writeJSON(w, r, http.StatusConflict, Failure{err.Error()})
	}
}

func (s *Server) reload(ctx context.Context, dry bool) (director.Plan, error) {
	switch {
	case dry && s.orders == nil:
		return director.Plan{}, errors.New("this shunt has no plans")
	case dry:
		return s.orders.Plan(ctx)
	}
	if err := s.source.Reload(ctx); err != nil || s.orders == nil {
		return director.Plan{}, err
	}
	return s.orders.Reloaded(ctx)
}

const jsonType = "application/json; charset=utf-8"

// writeJSON writes v, indented when the request has a parameter pretty.
func writeJSON(w http.ResponseWriter, r *http.Request, code int, v any) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	if r.URL.Query().Has("pretty") {
		enc.SetIndent("", "  ")
	}
	_ = enc.Encode(v) // the client has gone: there is nobody to tell
}
