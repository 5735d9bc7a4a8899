package checks

import (
	"crypto/x509"
	"time"
)

// A Note is what a check finds out beside its verdict. The zero value is
// nothing. A check writes into it until it has returned.
type Note struct {
	// Weight is what the real server asks for, nil for nothing.
	Weight *Weight
	// Admin is what the real server asks its operator for, "" for nothing.
	Admin Admin
	// Up: it says in a word that it is up. A check that is good says so without
	// words, but for an agent that only advises.
	Up bool
	// Why is what it says about that, in words fit for a status page.
	Why string
	// Expires is when the certificate that it has shown ends, zero if it has shown
	// none.
	Expires time.Time
}

// A Weight is one that a real server asks for.
type Weight struct {
	N int
	// Percent: N is a part of the weight that is configured, and may exceed 100.
	Percent bool
}

// An Admin is a state that a real server can ask for.
type Admin string

// The states. Ready ends the others.
const (
	Ready Admin = "ready"
	Drain Admin = "drain" // no new connections
	Maint Admin = "maint" // no connections
)

// expires notes when the first of a real server's certificates ends, if
// anybody asks.
func (n *Note) expires(certs []*x509.Certificate) {
	if n != nil && len(certs) > 0 {
		n.Expires = certs[0].NotAfter
	}
}
