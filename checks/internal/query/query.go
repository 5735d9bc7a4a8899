// Package query has what checks of databases have in common: the query and what
// may become of it.
package query

import (
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// UntilAnswer says that a check waited for the answer to its query.
const UntilAnswer = "while waiting for the answer to the query"

var errNone = failure.Because(failure.Other, "there is nobody to log in or no query to make: set login and request")

// ErrNoRows is the verdict about an answer without rows.
var ErrNoRows = failure.Because(failure.Mismatch, "the query has no rows")

// Of returns the query that a check makes as login for a request. Without either
// the real server is not asked: it would count what does not log in.
func Of(login, request string) (string, error) {
	query := strings.TrimPrefix(request, "/")
	if login == "" || query == "" {
		return "", errNone
	}
	return query, nil
}
