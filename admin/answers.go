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
	// piece is how many bytes of an answer are sent at a time.
	piece = 64 << 10
	// answerTime is how long an answer may take, fairTime how long its client may
	// be waited for while others wait.
	answerTime = 30 * time.Second
	fairTime   = time.Second
)

// answers are the large answers of a kind that are under way, the longest one
// first.
type answers struct {
	slots chan struct{}
	mu    sync.Mutex
	all   []*pacedWriter
}

// bounded limits how many answers are under way at once. Further requests wait for
// a while and then get status 503 with Retry-After. A client has to read each
// piece of an answer within s.pace, and all of it soon if others wait, or its
// connection is closed.
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

// wait reports whether it got a slot in time.
func (a *answers) wait(r *http.Request) bool {
	over := time.NewTimer(patience)
	defer over.Stop()
	look := time.NewTicker(fairTime / 4)
	defer look.Stop()
	for {
		select {
		case a.slots <- struct{}{}:
			return true
		case <-look.C:
			a.cutSlowest()
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

// cutSlowest ends the first answer whose client has been waited for longer than
// fairTime.
func (a *answers) cutSlowest() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.all {
		if p.cutSlow() {
			return
		}
	}
}

// A pacedWriter sends an answer in pieces, each with a deadline.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	pace    time.Duration

	mu     sync.Mutex
	began  time.Time     // to be sent, zero before
	piece  time.Time     // began to be sent, zero between pieces
	waited time.Duration // for the client to read
	cut    bool
}

// Write implements http.ResponseWriter.
func (p *pacedWriter) Write(b []byte) (int, error) {
	sent := 0
	for {
		if err := p.next(); err != nil {
			return sent, err
		}
		n, err := p.ResponseWriter.Write(b[sent:min(len(b), sent+piece)])
		p.sent()
		if sent += n; err != nil || sent == len(b) {
			return sent, err
		}
	}
}

// next sets the deadline of the next piece.
func (p *pacedWriter) next() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.began.IsZero() {
		p.began = now
	}
	if p.cut {
		return os.ErrDeadlineExceeded
	}
	deadline := now.Add(p.pace)
	if end := p.began.Add(answerTime); deadline.After(end) {
		deadline = end
	}
	p.piece = now
	_ = p.control.SetWriteDeadline(deadline) // not a connection: it has none
	return nil
}

// sent ends the time that a piece takes.
func (p *pacedWriter) sent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waited += time.Since(p.piece)
	p.piece = time.Time{}
}

// cutSlow ends the answer if its client has been waited for longer than fairTime, and
// reports whether that is so.
// The time that making the answer takes does not count.
func (p *pacedWriter) cutSlow() (cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waited := p.waited
	if !p.piece.IsZero() {
		waited += time.Since(p.piece)
	}
	if waited > fairTime {
		p.cut = true
		_ = p.control.SetWriteDeadline(time.Now())
	}
	return p.cut
}

// Unwrap is for [http.ResponseController].
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// untimed removes the write deadline of the previous request on a connection.
func untimed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // not a connection: it has none
		next.ServeHTTP(w, r)
	})
}
