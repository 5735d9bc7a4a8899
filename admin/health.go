package admin

import (
	"io"
	"net/http"

	"github.com/shunt-lb/shunt/admin/text"
)

// healthz answers 200 while the director's loop answers and no worker of the proxy
// is stuck: a supervisor that kills shunt for a 503 here kills a stuck one. Bad
// real servers and a refused reload do not count.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	st, err := s.status(r.Context())
	if err == nil {
		err = st.Dataplane.Load.Stuck()
	}
	verdict(w, err)
}

// readyz answers 200 when the dataplane has every service as the director wants
// it, so that traffic sent here is served, and until it begins to stop.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	st, err := s.status(r.Context())
	if err == nil {
		err = text.Unready(st)
	}
	verdict(w, err)
}

func verdict(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "ok\n"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = err.Error() + "\n"
	}
	_, _ = io.WriteString(w, text) // the client has gone: there is nobody to tell
}
