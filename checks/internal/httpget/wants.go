package httpget

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/internal/statuses"
)

// good reports whether a status is one of those that are wanted.
func (c *Check) good(status int) bool {
	if c.statuses == "" {
		return 200 <= status && status <= 299
	}
	return statuses.Match(c.statuses, status)
}

// unwanted is the verdict about a status that is not.
func (c *Check) unwanted(status int) error {
	list := c.statuses
	if list == "" {
		list = "2xx"
	}
	return failure.Because(failure.Status, "status %d, want %s", status, list)
}

// fields returns the fields of a request for p beside Host. Those of the
// configuration, which may be secret, go to the first host alone.
func (c *Check) fields(p page) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		own := ""
		if p.host == c.first.host {
			own = c.headers
		}
		for _, usual := range [][2]string{{"User-Agent", "shunt"}, {"Accept", "*/*"}} {
			if !hasField(own, usual[0]) && !yield(usual[0], usual[1]) {
				return
			}
		}
		for line := range strings.Lines(own) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if !yield(name, value) {
				return
			}
		}
	}
}

// Secrets are what may be secret in a request and in lines of headers: user and
// password of a URL, whole values, and what follows a word such as Basic.
func Secrets(request, lines string) (values []string) {
	if p, ok := parsePage(encode(strings.TrimPrefix(request, "/"))); ok {
		if _, login := p.cutLogin(); login != "" {
			_, values = basic(login)
		}
	}
	for line := range strings.Lines(lines) {
		_, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		values = append(values, value)
		if _, rest, ok := strings.Cut(value, " "); ok {
			values = append(values, rest)
		}
	}
	return values
}

func hasField(lines, name string) bool {
	for line := range strings.Lines(lines) {
		if n, _, _ := strings.Cut(line, ":"); strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// A digest is a Matcher of bodies with a SHA-256 that match receive, unless that
// is nil.
type digest struct {
	want    string // in hexadecimal
	receive match.Matcher
}

// String names both.
func (d *digest) String() string {
	s := "sha256:" + d.want
	if d.receive != nil {
		s = d.receive.String() + " with " + s
	}
	return s
}

// Match implements Matcher. It reads all of the body.
func (d *digest) Match(ctx context.Context, body io.Reader) (bool, error) {
	sum := sha256.New()
	text := io.TeeReader(body, sum)
	if d.receive != nil {
		if matched, err := d.receive.Match(ctx, text); err != nil || !matched {
			return false, err
		}
	}
	_, _ = io.Copy(io.Discard, text) // an error is the end of the body
	return hex.EncodeToString(sum.Sum(nil)) == d.want, ctx.Err()
}

// MatchNow is Match for a body in memory, as quick has it.
func (d *digest) MatchNow(body []byte) (matched, decided bool) {
	if d.receive != nil {
		if matched, decided := match.Now(d.receive, body); !decided || !matched {
			return false, decided
		}
	}
	want, err := hex.DecodeString(d.want)
	sum := sha256.Sum256(body)
	return err == nil && bytes.Equal(sum[:], want), true
}
