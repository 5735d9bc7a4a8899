package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/user"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/director"
)

// Orders carries out what operators order, and says why real servers are in use or not;
// [director.Operator] does. All methods are
// called from many goroutines at once and return soon after ctx is done. An
// *director.OrderError says that nothing was done.
type Orders interface {
	// Order carries out an order and returns each real server that it is about.
	Order(ctx context.Context, o director.Order) ([]director.OrderStatus, error)
	// Fallback has a fallback answer although servers are usable, or no longer.
	Fallback(ctx context.Context, o director.FallbackOrder) error
	// Orders returns the real servers that a name means, and without one those with an
	// order.
	Orders(ctx context.Context, service, real string) ([]director.OrderStatus, error)
	// Explain explains the virtual services or the real servers that name means.
	Explain(ctx context.Context, name, service string) (director.Explanation, error)
	// Plan returns what a reload would change now. Its error says why it would be
	// refused, a problem a line.
	Plan(ctx context.Context) (director.Plan, error)
	// Reloaded returns what the latest reload has changed.
	Reloaded(ctx context.Context) (director.Plan, error)
}

// maxOrder bounds the text of an order.
const maxOrder = 64 << 10

// sudoHeader has, in a request on the control socket, the user who has become root to
// send it. Nobody but root is believed.
const sudoHeader = "X-Shunt-Sudo-User"

// getOrders answers with the real servers that the parameters real and service name,
// and without them with those that an order is about.
func (s *Server) getOrders(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, func(ctx context.Context, q url.Values) (any, error) {
		return s.orders.Orders(ctx, q.Get("service"), q.Get("real"))
	})
}

// getExplanation answers why what the parameter name means is in use or not; service
// narrows it down.
func (s *Server) getExplanation(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, func(ctx context.Context, q url.Values) (any, error) {
		return s.orders.Explain(ctx, q.Get("name"), q.Get("service"))
	})
}

func (s *Server) postOrder(w http.ResponseWriter, r *http.Request) {
	var o director.Order
	if !readOrder(w, r, &o) {
		return
	}
	o.By = author(r)
	all, err := s.orders.Order(r.Context(), o)
	s.answerOrder(w, r, all, err)
}

func (s *Server) postFallback(w http.ResponseWriter, r *http.Request) {
	var o director.FallbackOrder
	if !readOrder(w, r, &o) {
		return
	}
	o.By = author(r)
	err := s.orders.Fallback(r.Context(), o)
	s.answerOrder(w, r, struct{}{}, err)
}

// answer answers with what ask finds by the parameters of a request within the time
// patience.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, ask func(ctx context.Context, q url.Values) (any, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	v, err := ask(ctx, r.URL.Query())
	s.answerOrder(w, r, v, err)
}

// answerOrder answers with v, or says why there is none.
func (s *Server) answerOrder(w http.ResponseWriter, r *http.Request, v any, err error) {
	if _, refused := errors.AsType[*director.OrderError](err); refused {
		writeJSON(w, r, http.StatusConflict, Failure{err.Error()})
	} else if err != nil {
		writeJSON(w, r, http.StatusServiceUnavailable, Failure{err.Error()})
	} else {
		writeJSON(w, r, http.StatusOK, v)
	}
}

// ordered serves a request about orders where there is somebody who carries them out.
func (s *Server) ordered(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.orders == nil {
			writeJSON(w, r, http.StatusNotImplemented, Failure{"this shunt takes no orders"})
			return
		}
		next(w, r)
	}
}

// readOrder reads an order, or answers why it cannot and returns false.
func readOrder(w http.ResponseWriter, r *http.Request, o any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	d.DisallowUnknownFields()
	err := d.Decode(o)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("there is more behind it")
		}
	}
	if err != nil {
		writeJSON(w, r, http.StatusBadRequest, Failure{"not an order in JSON: " + err.Error()})
	}
	return err == nil
}

// author returns who has sent a request: by the name of its token, or on the control
// socket a user of this host, and if that is root, by whom root says that it was asked.
func author(r *http.Request) string {
	if sender, ok := r.Context().Value(senderKey{}).(string); ok {
		return sender
	}
	uid := -1
	if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		uid = peerUser(c)
	}
	if uid < 0 {
		return "an unknown user"
	}
	if sudo := r.Header.Get(sudoHeader); uid == 0 && isUserName(sudo) {
		return sudo + " (sudo)"
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", uid)
}

// isUserName reports whether a name can be shown as that of a user.
func isUserName(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`()"'`, r)
	})
}

// peerUser returns the user at the other end of a Unix socket, -1 if that is unknown.
func peerUser(c net.Conn) int {
	if l, ok := c.(*limitedConn); ok {
		c = l.Conn
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return -1
	}
	peer, err := peerOf(u)
	if err != nil {
		return -1
	}
	return int(peer.Uid)
}

// Order gives an order and returns the real servers that it is about. A *RefusedError
// says in one line why nothing was done.
func (c *Client) Order(ctx context.Context, o director.Order) ([]director.OrderStatus, error) {
	var all []director.OrderStatus
	err := c.send(ctx, "/api/v1/orders", o, &all)
	return all, err
}

// Fallback has the fallback of a service answer, or no longer.
func (c *Client) Fallback(ctx context.Context, o director.FallbackOrder) error {
	return c.send(ctx, "/api/v1/fallback", o, new(struct{}))
}

// Orders returns the real servers that service and real name, and how far orders about
// them are; with real "" those with an order.
func (c *Client) Orders(ctx context.Context, service, real string) ([]director.OrderStatus, error) {
	var all []director.OrderStatus
	q := url.Values{"service": {service}, "real": {real}}
	err := c.do(ctx, http.MethodGet, "/api/v1/orders?"+q.Encode(), &all)
	return all, err
}

// Explain explains the virtual services or the real servers that name means, these in
// the services that service names, "" for all.
func (c *Client) Explain(ctx context.Context, name, service string) (director.Explanation, error) {
	var e director.Explanation
	q := url.Values{"name": {name}, "service": {service}}
	err := c.do(ctx, http.MethodGet, "/api/v1/explain?"+q.Encode(), &e)
	return e, err
}
