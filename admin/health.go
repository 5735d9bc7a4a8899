package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/shunt-lb/shunt/director"
)

// healthz answers 200 while the director's loop answers: whoever kills shunt
// for a 503 here kills one that is stuck. Bad real servers and a refused
// reload do not count.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	_, err := s.status(r.Context())
	verdict(w, err)
}

// readyz answers 200 when a configuration is in force and every real server
// in it has been checked once, so that traffic sent here finds what is there,
// and until it begins to stop.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	st, err := s.status(r.Context())
	if err == nil {
		err = unready(st)
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

// unready says why st is not ready, nil if it is.
func unready(st director.Status) error {
	if st.Config.Loaded.IsZero() {
		return errors.New("no configuration is in force yet")
	}
	switch {
	case st.Ready:
		return nil
	case st.Stopping:
		return errors.New("shunt is stopping")
	}
	waiting := unchecked(st)
	if len(waiting) == 0 {
		return errors.New("the real servers have not all been checked yet")
	}
	return fmt.Errorf("real servers that have not been checked yet: %d, the first of them %s", len(waiting), waiting[0])
}

// unchecked names the real servers that wait for their first check.
func unchecked(st director.Status) []string {
	var names []string
	for _, sv := range st.Services {
		for _, r := range sv.Servers {
			if r.Checked.IsZero() && r.State != director.Maintenance {
				names = append(names, r.Server+" of "+sv.Service)
			}
		}
	}
	return names
}
