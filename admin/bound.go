package admin

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// maxAnswers is how many large answers of a kind may be under way at once.
	maxAnswers = 2
	// piece is how much of one is sent at a time, in bytes.
	piece = 64 << 10
	// answerTime is how long one may take, and turn how long if others wait.
	answerTime = 30 * time.Second
	turn       = time.Second
)

// answers are the large answers of a kind that are under way, the longest one
// first.
type answers struct {
	slots chan struct{}
	mu    sync.Mutex
	all   []*pacedWriter
}

// bounded has a number of answers under way at once. More wait a while for
// their turn and are then told to come back. A client has to take each piece
// of an answer within s.pace, and all of it soon if others wait, or is cut off.
func (s *Server) bounded(next http.HandlerFunc) http.HandlerFunc {
	a := &answers{slots: make(chan struct{}, maxAnswers)}
	return func(w http.ResponseWriter, r *http.Request) {
		if !a.wait(r) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, fmt.Sprintf("%d answers like this one are under way already", maxAnswers), http.StatusServiceUnavailable)
			return
		}
		p := &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), pace: s.pace}
		a.begin(p)
		defer a.end(p)
		next(p, r)
	}
}

// wait takes a slot, if there is one in time.
func (a *answers) wait(r *http.Request) bool {
	over := time.NewTimer(patience)
	defer over.Stop()
	look := time.NewTicker(turn / 4)
	defer look.Stop()
	for {
		select {
		case a.slots <- struct{}{}:
			return true
		case <-look.C:
			a.hurry()
		case <-over.C:
			return false
		case <-r.Context().Done():
			return false
		}
	}
}

func (a *answers) begin(p *pacedWriter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, p)
}

func (a *answers) end(p *pacedWriter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.all, p)
	a.all = slices.Delete(a.all, i, i+1)
	<-a.slots
}

// hurry cuts off the client that has taken longest, if it had its turn.
func (a *answers) hurry() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) > 0 {
		a.all[0].hurry()
	}
}

// A pacedWriter sends an answer in pieces, each of which has its time.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	pace    time.Duration

	mu    sync.Mutex
	began time.Time // to be sent
	sends bool
	cut   bool
}

// Write implements http.ResponseWriter.
func (p *pacedWriter) Write(b []byte) (int, error) {
	sent := 0
	for {
		if err := p.next(); err != nil {
			return sent, err
		}
		n, err := p.ResponseWriter.Write(b[sent:min(len(b), sent+piece)])
		if sent += n; err != nil || sent == len(b) {
			return sent, err
		}
	}
}

// next gives the next piece its time.
func (p *pacedWriter) next() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.sends {
		p.sends, p.began = true, now
	}
	if p.cut {
		return os.ErrDeadlineExceeded
	}
	deadline := now.Add(p.pace)
	if end := p.began.Add(answerTime); deadline.After(end) {
		deadline = end
	}
	_ = p.control.SetWriteDeadline(deadline) // what is no connection has none
	return nil
}

// hurry ends an answer that has been sent for a turn.
func (p *pacedWriter) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sends && time.Since(p.began) > turn {
		p.cut = true
		_ = p.control.SetWriteDeadline(time.Now())
	}
}

// Unwrap is for [http.ResponseController].
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// untimed takes away the time that the request before on a connection had left
// for its answer.
func untimed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // what is no connection has none
		next.ServeHTTP(w, r)
	})
}
