package checks

import (
	"strconv"
	"strings"
)

// maxAgentLine bounds a line about a real server's state, in bytes.
const maxAgentLine = 1 << 10

// A word of a line about a real server's state is one of haproxy's (agent-check
// in its configuration manual): about the operator, or about health.
var (
	adminWords  = map[string]Admin{"ready": Ready, "drain": Drain, "maint": Maint}
	healthWords = map[string]bool{"up": true, "down": false, "fail": false, "failed": false, "stopped": false}
)

// readAgentLine reads a line about a real server's state into note, if that is
// not nil, and returns the verdict. Words stand between blanks or commas, in any
// case, and the last one of each sort counts: a weight in per cent of the
// configured one (75%) or, which haproxy does not have, as a number; ready, drain or
// maint; up, down, fail or stopped. A reason follows behind a #. maxconn: and
// words that are not known are passed over, as long as one is; behind such a word a
// number is no weight: another protocol has it in its greeting.
func readAgentLine(who, line string, note *Note) error {
	text, why, _ := strings.Cut(line, "#")
	var n Note
	good, known, foreign, last := true, false, false, ""
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r <= ' ' || r == ',' }) {
		word = strings.ToLower(word)
		up, isHealth := healthWords[word]
		admin, isAdmin := adminWords[word]
		weight := agentWeight(word)
		switch {
		case isHealth:
			good, last, n.Up = up, word, up
		case isAdmin:
			n.Admin = admin
		case weight != nil && (weight.Percent || !foreign):
			n.Weight = weight
		case !strings.HasPrefix(word, "maxconn:"):
			foreign = true
			continue
		}
		known = true
	}
	n.Why = short(strings.TrimSpace(strings.Map(printable, why)))
	switch {
	case !known:
		return because(Protocol, "%s says %q, which is no state", who, short(strings.TrimSpace(line)))
	case note != nil:
		note.Weight, note.Admin, note.Up, note.Why = n.Weight, n.Admin, n.Up, n.Why
	}
	switch {
	case good:
		return nil
	case n.Why != "":
		return because(Status, "%s says %s: %s", who, last, n.Why)
	}
	return because(Status, "%s says %s", who, last)
}

// agentWeight returns the weight that a word is, nil if it is none.
func agentWeight(word string) *Weight {
	digits, percent := strings.CutSuffix(word, "%")
	n, err := strconv.ParseUint(strings.TrimPrefix(digits, "weight:"), 10, 16)
	if err != nil {
		return nil
	}
	return &Weight{N: int(n), Percent: percent}
}
