// Package statuses reads lists of HTTP statuses: "200-299,401".
//
// The package imports nothing of the project.
package statuses

import (
	"fmt"
	"strconv"
	"strings"
)

// The statuses that HTTP has (RFC 9110 section 15).
const least, most = 100, 599

// Usual is the list of those that are good when nothing else is said.
const Usual = "200-299"

// Parse reads a list of statuses and ranges with commas between them, and
// returns it as [Match] reads it. The error says what is wrong with which part.
func Parse(text string) (list string, err error) {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, " ", ""), "\t", "")
		from, to, ranged := strings.Cut(part, "-")
		lo, ok := number(from)
		hi := lo
		if ranged && ok {
			hi, ok = number(to)
		}
		switch {
		case !ok:
			return "", fmt.Errorf("`%s` is no status and no range of them", part)
		case lo > hi:
			return "", fmt.Errorf("the range %s ends before it begins", part)
		case lo < 200:
			return "", fmt.Errorf("%d is no final status: another one follows it", lo)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ","), nil
}

func number(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && len(text) == 3 && least <= n && n <= most
}

// Match reports whether status is in a list that Parse has returned.
func Match(list string, status int) bool {
	for list != "" {
		var part string
		part, list, _ = strings.Cut(list, ",")
		from, to, ranged := strings.Cut(part, "-")
		lo, _ := number(from)
		hi := lo
		if ranged {
			hi, _ = number(to)
		}
		if lo <= status && status <= hi {
			return true
		}
	}
	return false
}
