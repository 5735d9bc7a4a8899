package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/admin/token"
)

// A gate lets orders over TCP in by their tokens.
type gate struct {
	tokens *token.Tokens // nil: nobody gets in
	log    *slog.Logger

	mu   sync.Mutex
	told time.Time // the latest line about a refusal
	more int       // refusals since
}

// admit serves requests that have a token, and refuses others.
func (g *gate) admit(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if g.tokens == nil {
			writeJSON(w, r, http.StatusForbidden, Failure{"this address takes no orders: use the control socket, or start shunt with --admin-write"})
			return
		}
		name, refused := g.tokens.Sender(r)
		if refused != nil {
			g.tell(r, refused.Text)
			if refused.Code == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="shunt"`)
			}
			writeJSON(w, r, refused.Code, Failure{refused.Text})
			return
		}
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		next(w, r.WithContext(context.WithValue(r.Context(), senderKey{}, "token "+name+" from "+host)))
	}
}

// senderKey is that of who has sent a request with a token, in its context.
type senderKey struct{}

// refusalPeriod is how often the log has a line about requests without a good token.
const refusalPeriod = 10 * time.Second

func (g *gate) tell(r *http.Request, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.told) < refusalPeriod {
		g.more++
		return
	}
	g.log.Warn("order over the admin address refused", "from", r.RemoteAddr, "path", r.URL.Path, "reason", why, "more_before", g.more)
	g.told, g.more = time.Now(), 0
}
