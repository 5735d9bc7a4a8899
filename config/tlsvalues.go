package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/config/internal/certs"
	"github.com/shunt-lb/shunt/internal/services"
)

// Roots are the authorities that `verify` names, read with the configuration.
type Roots = certs.Roots

// A ClientPair is the certificate and the key that checks show, read with the
// configuration.
type ClientPair = certs.Pair

// verify is yes, no, or a file of authorities, which is read at once.
var verify = value{
	kind: "`yes`, `no`, or the path of a file of certificates",
	set: func(f *field, t target) bool {
		word, ok := f.quoted(true)
		if lower := strings.ToLower(word); lower == "yes" || lower == "no" {
			word = lower
		}
		switch {
		case !ok:
			return false
		case word == "yes" || word == "no":
			t.s.Verify, t.s.Roots = word, nil
			return true
		case !strings.HasPrefix(word, "/"):
			return f.fail(f.valAt, fmt.Sprintf("`verify` is yes, no or the path of a file, not `%s`", word), "a path begins with a slash: verify=/etc/ssl/ca.pem")
		}
		roots, err := f.readRoots(word)
		if err != nil {
			return f.fail(f.valAt, fmt.Sprintf("the authorities cannot be read: %v", err), "name a file with certificates in PEM, or write verify=yes for those of the system")
		}
		t.s.Verify, t.s.Roots = word, roots
		return true
	},
	get: func(t target) []string {
		if strings.HasPrefix(t.s.Verify, "/") {
			return line(inQuotes(t.s.Verify))
		}
		return line(t.s.Verify)
	},
}

// readRoots reads a file once, however often it is named.
func (c *collector) readRoots(path string) (*Roots, error) {
	if r := c.roots[path]; r != nil {
		return r, nil
	}
	r, err := certs.ReadRoots(path)
	if err == nil {
		if c.roots == nil {
			c.roots = map[string]*Roots{}
		}
		c.roots[path] = r
	}
	return r, err
}

// clientPair reads the certificate and the key that checks of the section show.
func (r *review) clientPair() {
	if r.v.ClientCert == "" {
		if r.v.ClientKey != "" {
			s := r.setBy("clientkey")
			r.fail(s, s.keyAt, "`clientkey` stands without `clientcert`", "add clientcert=FILE, or remove it")
		}
		return
	}
	key := r.v.ClientKey
	if key == "" {
		key = r.v.ClientCert
	}
	name := r.v.ClientCert + "\x00" + key
	pair := r.pairs[name]
	if pair == nil {
		var err error
		if pair, err = certs.ReadPair(r.v.ClientCert, key); err != nil {
			s := r.setBy("clientcert")
			r.fail(s, s.valAt, fmt.Sprintf("the certificate that checks show cannot be read: %v", err), "name a certificate in PEM by clientcert and its key by clientkey, without a password")
			return
		}
		if r.pairs == nil {
			r.pairs = map[string]*ClientPair{}
		}
		r.pairs[name] = pair
	}
	r.v.Client = pair
}

// tls warns of lines of the section about TLS if its check speaks none.
func (r *review) tls() {
	if r.v.AnyTLS() {
		return
	}
	for _, name := range []string{"verify", "clientcert", "clientkey", "minvalid"} {
		if s := r.sec.body.lastOf(name); s != nil && r.v.Origins[name].set() {
			r.warn(s, s.keyAt, fmt.Sprintf("`%s` has no effect: the check speaks no TLS", name), "remove the line")
		}
	}
}

// SpeaksTLS reports whether checks of v speak TLS.
func (v *Virtual) SpeaksTLS() bool {
	return v.negotiates() && v.service().TLS != services.NoTLS
}

// verification returns the default of `verify` for checks of v.
func (v *Virtual) verification() string {
	switch s := v.service(); {
	case s.TLS == services.NoTLS:
		return ""
	case s.Verifies(v.Login):
		return "yes"
	}
	return "no"
}

// minValid is a duration that may be written in days.
var minValid = bind("duration: `14d`, `36h`", daysFrom(time.Second, "write minvalid=1d, or remove the line"), func(d time.Duration) string {
	if d == 0 {
		return "" // none was chosen
	}
	return writeDays(d)
})(func(t target) *time.Duration { return &t.s.MinValid })
