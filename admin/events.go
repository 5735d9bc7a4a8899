package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/director"
)

const (
	// maxFollowers may follow the events at once on a listener.
	maxFollowers = 32
	// sign is the time between two signs of life to one who follows while nothing
	// happens: without them a client that has vanished would never be noticed.
	sign = 15 * time.Second
)

// An EventsQuery says which events are wanted. The zero value is all that are kept.
type EventsQuery struct {
	// After is the number of an event; those after it are wanted.
	After uint64
	// Service and Real choose those of a service and of a real server; see
	// director.Event.About.
	Service, Real string
	// Follow asks for further events, too, as they come.
	Follow bool
}

func (q EventsQuery) values() url.Values {
	v := url.Values{"service": {q.Service}, "real": {q.Real}}
	if q.After > 0 {
		v.Set("after", strconv.FormatUint(q.After, 10))
	}
	if q.Follow {
		v.Set("follow", "")
	}
	return v
}

// queryOf is the reverse of values. After a break, a browser names the last event that
// it has got in a header.
func queryOf(r *http.Request) (EventsQuery, error) {
	q := r.URL.Query()
	asked := EventsQuery{Service: q.Get("service"), Real: q.Get("real"), Follow: q.Has("follow")}
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = q.Get("after")
	}
	if after == "" {
		return asked, nil
	}
	var err error
	if asked.After, err = strconv.ParseUint(after, 10, 64); err != nil {
		return asked, fmt.Errorf("after %q: want the number of an event", after)
	}
	return asked, nil
}

// getEvents returns the handler of events: JSON, one a line, or server-sent events for
// those who accept them.
func (s *Server) getEvents() http.HandlerFunc {
	kept, followed := s.bounded(s.sendEvents), s.followEvents()
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.events == nil:
			writeJSON(w, r, http.StatusNotImplemented, Failure{"this shunt keeps no events"})
		case !r.URL.Query().Has("follow"):
			kept(w, r)
		default:
			followed(w, r)
		}
	}
}

// followEvents returns sendEvents for a limited number of followers.
func (s *Server) followEvents() http.HandlerFunc {
	followers := make(chan struct{}, maxFollowers)
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case followers <- struct{}{}:
			defer func() { <-followers }()
		default:
			writeJSON(w, r, http.StatusServiceUnavailable, Failure{fmt.Sprintf("%d clients follow the events already", maxFollowers)})
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.leaving, cancel)()
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // its end would end the request
		s.sendEvents(w, r.WithContext(ctx))
	}
}

// sendEvents sends the events that are kept and, if asked for, those that come, until the
// client has gone.
func (s *Server) sendEvents(w http.ResponseWriter, r *http.Request) {
	q, err := queryOf(r)
	if err != nil {
		writeJSON(w, r, http.StatusBadRequest, Failure{err.Error()})
		return
	}
	out := newEventWriter(w, r, s.pace)
	for all := s.events; ; {
		found, lost, last := all.After(q.After)
		if out.send(found, lost, q) != nil || !q.Follow {
			return
		}
		q.After = last
		ctx, cancel := context.WithTimeout(r.Context(), sign)
		err := all.Wait(ctx, last)
		cancel()
		if r.Context().Err() != nil {
			return
		}
		if errors.Is(err, context.DeadlineExceeded) {
			out.sign()
		}
	}
}

// An eventWriter writes events to a client.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	pace    time.Duration // for each piece
	stream  bool          // server-sent events
}

func newEventWriter(w http.ResponseWriter, r *http.Request, pace time.Duration) *eventWriter {
	o := &eventWriter{w: w, control: http.NewResponseController(w), pace: pace}
	o.stream = strings.Contains(r.Header.Get("Accept"), "text/event-stream")
	if o.stream {
		w.Header().Set("Content-Type", "text/event-stream")
	} else {
		w.Header().Set("Content-Type", "application/x-ndjson")
	}
	return o
}

// A lostEvents is what a client gets in place of events that it was too slow for.
type lostEvents struct {
	Lost uint64 `json:"lost"`
}

// send writes the events that are wanted and says how many are lost.
func (o *eventWriter) send(events []director.Event, lost uint64, q EventsQuery) error {
	if lost > 0 {
		if err := o.write("lost", 0, lostEvents{lost}); err != nil {
			return err
		}
	}
	for i := range events {
		if e := &events[i]; e.About(q.Service, q.Real) {
			if err := o.write("", e.Seq, e); err != nil {
				return err
			}
		}
	}
	return o.control.Flush()
}

// write writes one event: of a kind, "" for the usual one, and with a number or not.
func (o *eventWriter) write(kind string, seq uint64, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_ = o.control.SetWriteDeadline(time.Now().Add(o.pace)) // a client that has hung is given up
	if !o.stream {
		_, err = o.w.Write(append(text, '\n'))
		return err
	}
	if kind != "" {
		kind = "event: " + kind + "\n"
	}
	if seq > 0 {
		kind += fmt.Sprintf("id: %d\n", seq)
	}
	_, err = fmt.Fprintf(o.w, "%sdata: %s\n\n", kind, text)
	return err
}

// sign writes what means nothing in either form.
func (o *eventWriter) sign() {
	_ = o.control.SetWriteDeadline(time.Now().Add(o.pace))
	text := "\n"
	if o.stream {
		text = ":\n\n"
	}
	_, _ = o.w.Write([]byte(text))
	_ = o.control.Flush() // if that fails the client has gone, which ends the request
}
