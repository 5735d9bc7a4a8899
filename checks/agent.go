package checks

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/checks/internal/failure"
	"github.com/shunt-lb/shunt/checks/internal/match"
	"github.com/shunt-lb/shunt/checks/internal/quote"
	"github.com/shunt-lb/shunt/checks/internal/session"
)

// Agent asks an agent beside the real server about its state: one line of text
// over TCP, as haproxy's agent-check has it. It sends target.Request without its
// leading slash, which is nothing if there is none. down, fail and stopped are a
// failure; what else the line says goes into target.Note.
var Agent = over("agent", func(*Target) bool { return false }, newAgentSession)

// An agentSession is the Session of Agent.
type agentSession struct {
	request []byte
	note    *Note
	line    []byte
}

func newAgentSession(t *Target) session.Session {
	return &agentSession{request: []byte(payload(t.Request)), note: t.Note}
}

// Begin implements session.Session.
func (s *agentSession) Begin() session.Step {
	s.line = s.line[:0]
	return session.Step{Send: s.request, Until: "while waiting for the agent's line"}
}

// Feed implements session.Session.
func (s *agentSession) Feed(b []byte, eof bool) session.Step {
	part, _, whole := cutLine(b)
	if len(s.line)+len(part) > maxAgentLine {
		return session.Step{Done: true, Err: failure.Because(Protocol, "the agent's line has more than %d bytes", maxAgentLine)}
	}
	s.line = append(s.line, part...)
	switch {
	case whole || eof && len(s.line) > 0:
		return session.Step{Done: true, Err: readAgentLine("the agent", string(s.line), s.note)}
	case eof:
		return session.Step{Done: true, Err: match.ErrNoAnswer}
	}
	return session.Step{}
}

// End implements session.Session.
func (s *agentSession) End(cause error) error { return cause }

// cutLine cuts b at the end of its first line.
func cutLine(b []byte) (line, rest []byte, whole bool) {
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}

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
// words that are not known are passed over, as long as one is; beside such a word a
// number is no weight: the greetings of other protocols are a number and words.
func readAgentLine(who, line string, note *Note) error {
	text, why, _ := strings.Cut(line, "#")
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r <= ' ' || r == ',' })
	foreign := slices.ContainsFunc(words, func(word string) bool { return !isAgentWord(word) })
	var n Note
	good, known, last := true, false, ""
	for _, word := range words {
		weight := agentWeight(word)
		switch {
		case !isAgentWord(word) || weight != nil && !weight.Percent && foreign:
			continue
		case weight != nil:
			n.Weight = weight
		case adminWords[word] != "":
			n.Admin = adminWords[word]
		case !strings.HasPrefix(word, "maxconn:"):
			good, last, n.Up = healthWords[word], word, healthWords[word]
		}
		known = true
	}
	n.Why = quote.Short(strings.TrimSpace(strings.Map(quote.Printable, why)))
	switch {
	case !known:
		return failure.Because(Protocol, "%s says %q, which is no state", who, quote.Short(strings.TrimSpace(line)))
	case note != nil:
		note.Weight, note.Admin, note.Up, note.Why = n.Weight, n.Admin, n.Up, n.Why
	}
	switch {
	case good:
		return nil
	case n.Why != "":
		return failure.Because(Status, "%s says %s: %s", who, last, n.Why)
	}
	return failure.Because(Status, "%s says %s", who, last)
}

// isAgentWord reports whether a word means something.
func isAgentWord(word string) bool {
	_, isHealth := healthWords[word]
	return isHealth || adminWords[word] != "" || agentWeight(word) != nil || strings.HasPrefix(word, "maxconn:")
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
