package checks

import (
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

const (
	untilLogin  = "while logging in"
	untilAnswer = "while waiting for the answer to the query"
)

// maxLogin bounds a message before the login is through, when it may be a key
// to compute with.
const maxLogin = 16 << 10

var (
	errNoQuery = failure.Because(Other, "there is nobody to log in or no query to make: set login and request")
	errNoRows  = failure.Because(Mismatch, "the query has no rows")
)

// query returns the query that a check of a database makes. Without it and a
// login the real server is not asked: it would count what does not log in.
func (t *Target) query() (string, error) {
	query := strings.TrimPrefix(t.Request, "/")
	if t.Login == "" || query == "" {
		return "", errNoQuery
	}
	return query, nil
}
