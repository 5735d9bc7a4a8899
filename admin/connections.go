package admin

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

// A Connection is a dataplane.Connection in JSON.
type Connection struct {
	// Protocol is TCP or UDP; IP for clients pinned by a firewall mark.
	Protocol string `json:"protocol"`
	// Client has port 0 where persistence has pinned it to the real server.
	Client  netip.AddrPort `json:"client"`
	Virtual netip.AddrPort `json:"virtual"`
	// Server is empty while the client waits for one.
	Server netip.AddrPort `json:"server"`
	// State is the word of the dataplane. That of the kernel has its own: ESTABLISHED,
	// FIN_WAIT, UDP. That of the proxy has ESTABLISHED, CONNECTING (to a real server),
	// WAITING (for a place there), HEADER (for the PROXY header), CLOSING and UDP.
	State string `json:"state"`
	// Expires is when it is forgotten if nothing moves.
	Expires director.Seconds `json:"expires_seconds"`
}

// NewConnection returns c as it is written in JSON.
func NewConnection(c dataplane.Connection) Connection {
	return Connection{
		Protocol: c.Protocol, Client: c.Client, Virtual: c.Virtual, Server: c.Server,
		State: c.State, Expires: director.Seconds(c.Expires),
	}
}

// plain is the reverse of NewConnection.
func (c Connection) plain() dataplane.Connection {
	return dataplane.Connection{
		Protocol: c.Protocol, Client: c.Client, Virtual: c.Virtual, Server: c.Server,
		State: c.State, Expires: time.Duration(c.Expires),
	}
}

// A ConnectionFilter selects connections. The zero value selects all.
type ConnectionFilter struct {
	// Service is the address of a virtual service, with or without its port,
	// and with or without "tcp" or "udp" before it.
	Service string
	// Real is the address of a real server, with or without its port.
	Real string
}

// Check returns what is wrong with the filter, nil for nothing.
func (f ConnectionFilter) Check() error {
	_, err := f.match()
	return err
}

// match returns a function that reports whether a connection is selected.
func (f ConnectionFilter) match() (func(*dataplane.Connection) bool, error) {
	protocol, service := "", f.Service
	if word, rest, ok := strings.Cut(service, " "); ok {
		protocol, service = strings.ToUpper(word), rest
	}
	if protocol == "FWM" || protocol == "FWM6" {
		return nil, fmt.Errorf("service %q: connections by a firewall mark have the addresses of their packets: name one of those, or a real server", f.Service)
	}
	if protocol != "" && protocol != "TCP" && protocol != "UDP" {
		return nil, fmt.Errorf("service %q: want ADDRESS[:PORT], with tcp or udp before it or not", f.Service)
	}
	virtual, err := endOf("service", service)
	if err != nil {
		return nil, err
	}
	server, err := endOf("real server", f.Real)
	if err != nil {
		return nil, err
	}
	return func(c *dataplane.Connection) bool {
		return (protocol == "" || protocol == c.Protocol) && virtual(c.Virtual) && server(c.Server)
	}, nil
}

// endOf returns a function that reports whether an end of a connection has the
// address, or address and port, in text; "" is any.
func endOf(what, text string) (func(netip.AddrPort) bool, error) {
	if text == "" {
		return func(netip.AddrPort) bool { return true }, nil
	}
	if end, err := netip.ParseAddrPort(text); err == nil {
		return func(a netip.AddrPort) bool { return a == end }, nil
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		return nil, fmt.Errorf("%s %q: want ADDRESS or ADDRESS:PORT", what, text)
	}
	return func(a netip.AddrPort) bool { return a.Addr() == addr }, nil
}

// A ConnectionLine is one line of the answer: a connection, or the end, which
// tells a whole answer from one that was cut.
type ConnectionLine struct {
	*Connection
	End *ConnectionsEnd `json:"end,omitempty"`
}

// A ConnectionsEnd is the end of the answer, with what kept it from being whole.
type ConnectionsEnd struct {
	Error string `json:"error,omitempty"`
}

// getConnections sends the table line by line. The director is not asked, and
// nothing is held for a client that reads slowly.
func (s *Server) getConnections(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	match, err := ConnectionFilter{Service: q.Get("service"), Real: q.Get("real")}.match()
	if err != nil {
		writeJSON(w, r, http.StatusBadRequest, Failure{err.Error()})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	end := ConnectionsEnd{}
	if s.connections != nil {
		if err := sendConnections(r, out, s.connections(r.Context()), match); err != nil {
			end.Error = err.Error()
		}
	}
	_ = out.Encode(ConnectionLine{End: &end}) // the client has gone: there is nobody to tell
}

func sendConnections(r *http.Request, out *json.Encoder, all iter.Seq2[dataplane.Connection, error], match func(*dataplane.Connection) bool) error {
	for c, err := range all {
		if err == nil {
			err = r.Context().Err()
		}
		if err == nil && match(&c) {
			line := NewConnection(c)
			err = out.Encode(ConnectionLine{Connection: &line})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
