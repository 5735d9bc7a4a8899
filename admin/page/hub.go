package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/admin/text"
)

const (
	// every is how often what changes is sent.
	every = 2 * time.Second
	// share is the part of its time that rendering may take: one in so many. However
	// long it takes, clients hear of shunt every so often.
	share  = 10
	seldom = 8 * time.Second
	// maxStreams may be open at once.
	maxStreams = 32
	// queue is how many messages wait for a client that reads slowly; one more, and its
	// stream ends.
	queue = 2
	// bytesPerSecond of virtual services are sent to a client, in the mean: of a
	// thousand busy ones each is sent less often than every two seconds.
	bytesPerSecond = 128 << 10
)

// A hub renders the page while somebody looks at it, for all of them once, and sends to
// each what has changed.
type hub struct {
	render func(context.Context) (frame, error)
	life   context.Context
	end    context.CancelFunc
	news   chan struct{} // a stream has begun

	mu      sync.Mutex
	streams map[*stream]bool
	running bool
	group   sync.WaitGroup
}

// A stream is one client's. The hub closes messages when it ends it.
type stream struct {
	messages chan []byte
	begun    bool      // it has had a whole page
	after    time.Time // the time of the page that the client has
}

func (h *hub) init(render func(context.Context) (frame, error)) {
	h.render, h.streams, h.news = render, map[*stream]bool{}, make(chan struct{}, 1)
	h.life, h.end = context.WithCancel(context.Background())
}

// close ends all streams and waits for the goroutine.
func (h *hub) close() {
	h.end()
	h.group.Wait()
}

// open begins a stream for a client whose page is of a time, and the goroutine with the
// first. It returns nil if there are too many, or the hub is closed.
func (h *hub) open(after time.Time) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) >= maxStreams || h.life.Err() != nil {
		return nil
	}
	s := &stream{messages: make(chan []byte, queue), after: after}
	h.streams[s] = true
	if !h.running {
		h.running = true
		h.group.Go(h.run)
	}
	select {
	case h.news <- struct{}{}:
	default:
	}
	return s
}

// leave ends a stream from the client's side.
func (h *hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, s)
}

// run sends messages until nobody is left. A new stream alone gets what was rendered
// last, if that is not old, nor older than what the client has.
func (h *hub) run() {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var sent sentParts
	var last frame
	var rendered time.Time
	for h.wanted() {
		select {
		case <-h.life.Done():
			continue
		case <-h.news:
			if time.Since(rendered) < every && !h.newer(last.at) {
				h.send(nil, last)
				continue
			}
		case <-tick.C:
		}
		began := time.Now()
		f, err := h.render(h.life)
		if err == nil {
			last, rendered = f, time.Now()
			h.send(message(f, sent.changed(f.known())), f)
		}
		tick.Reset(min(max(every, share*time.Since(began)), seldom))
	}
}

// newer reports whether the client of a new stream has a page after a time.
func (h *hub) newer(at time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams {
		if !s.begun && s.after.After(at) {
			return true
		}
	}
	return false
}

// known is f without what it does not know: where there is no status, the rest of the
// page stays as it was.
func (f frame) known() frame {
	if f.failed {
		f.parts = slices.DeleteFunc(slices.Clone(f.parts), func(p part) bool { return p.ID != "problems" })
	}
	return f
}

// wanted reports whether there are streams. Without any, or at the end, run is over.
func (h *hub) wanted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life.Err() != nil {
		for s := range h.streams {
			h.cut(s)
		}
	}
	h.running = len(h.streams) > 0
	return h.running
}

// cut ends a stream from the hub's side. The hub is locked.
func (h *hub) cut(s *stream) {
	delete(h.streams, s)
	close(s.messages)
}

// send gives each stream the message of what has changed, nil for none, and a new one
// all that f knows.
func (h *hub) send(changed []byte, f frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var whole []byte
	for s := range h.streams {
		m := changed
		if !s.begun {
			if whole == nil {
				whole = message(f, f.known().parts)
			}
			m, s.begun = whole, !f.failed
		}
		if m == nil {
			continue
		}
		select {
		case s.messages <- m:
		default:
			h.cut(s)
		}
	}
}

// sentParts are those that all streams have.
type sentParts struct {
	html  map[string]string
	names string
	again time.Time // when services may be sent
}

// changed returns the parts of f that differ from what was sent, and notes them. A
// service that has to wait for others stays as it is for a while.
func (s *sentParts) changed(f frame) (all []part) {
	if s.html == nil {
		s.html = map[string]string{}
	}
	differs := func(p part) bool {
		if s.html[p.ID] == string(p.HTML) {
			return false
		}
		s.html[p.ID] = string(p.HTML)
		return true
	}
	for _, p := range f.parts {
		switch {
		case p.ID != "services" && differs(p), p.ID == "services" && p.names != s.names:
			all = append(all, p)
		}
		if p.ID != "services" {
			continue
		}
		renewed := p.names != s.names
		s.names = p.names
		if !renewed && f.at.Before(s.again) {
			s.forget(p.services)
			continue
		}
		size := 0
		for _, sv := range p.services {
			if differs(sv) && !renewed {
				all = append(all, sv)
				size += len(sv.HTML)
			}
		}
		s.again = f.at.Add(time.Duration(size) * time.Second / bytesPerSecond)
	}
	return all
}

// forget forgets what was sent of services that have to wait: a new stream gets them as
// they are in this frame, and what all have is not the same any more.
func (s *sentParts) forget(services []part) {
	for _, sv := range services {
		if s.html[sv.ID] != string(sv.HTML) {
			delete(s.html, sv.ID)
		}
	}
}

// message is an event of a stream: when the page was as it is, for machines and in the
// words of the page, and the elements that have changed. One without a status has no time.
func message(f frame, parts []part) []byte {
	m := struct {
		At    string   `json:"at,omitempty"`
		Clock string   `json:"clock,omitempty"`
		Parts []string `json:"parts"`
	}{Parts: []string{}}
	if !f.failed {
		m.At, m.Clock = f.at.UTC().Format(time.RFC3339), text.Clock(f.at)
	}
	for _, p := range parts {
		m.Parts = append(m.Parts, string(p.HTML))
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and a time
	}
	return fmt.Appendf(nil, "data: %s\n\n", b)
}

// Stream answers with server-sent events: elements of the page that have changed, at
// first all, every two seconds. With the parameter after, the time of a page in
// nanoseconds since 1970, none of them is older.
func (p *Page) Stream(w http.ResponseWriter, r *http.Request) {
	var after time.Time
	if n, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64); err == nil {
		after = time.Unix(0, n)
	}
	s := p.hub.open(after)
	if s == nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%d streams are open already", maxStreams), http.StatusServiceUnavailable)
		return
	}
	defer p.hub.leave(s)
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // not a connection: it has none
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		select {
		case m, open := <-s.messages:
			if !open || p.write(w, c, m) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (p *Page) write(w http.ResponseWriter, c *http.ResponseController, m []byte) error {
	err := c.SetWriteDeadline(time.Now().Add(p.o.Pace))
	if errors.Is(err, http.ErrNotSupported) {
		err = nil // not a connection: it has none
	}
	if err == nil {
		_, err = w.Write(m)
	}
	if err == nil {
		err = c.Flush()
	}
	return err
}
