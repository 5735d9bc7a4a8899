package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A realReader reads the options behind the forwarding method.
type realReader struct {
	*field
	rest     string
	r        *Real
	weighted bool
	paired   bool
}

// readOptions reads [WEIGHT] ["REQUEST","RECEIVE"] [l:LOWER] [u:UPPER]
// [m:MAXCONN] into r, in any order.
func readOptions(f *field, rest string, r *Real) bool {
	o := &realReader{field: f, rest: rest, r: r}
	for {
		o.rest = strings.TrimLeft(o.rest, " \t")
		if o.rest == "" {
			return o.thresholds()
		}
		step := o.token
		if startsWithAny(o.rest, `"`+curly) {
			step = o.pair
		}
		if !step() {
			return false
		}
	}
}

func (o *realReader) at() int { return o.valAt + len(o.val) - len(o.rest) }

func (o *realReader) token() bool {
	at, word := o.at(), firstWord(o.rest)
	o.rest = o.rest[len(word):]
	switch {
	case digitsLen(word) == len(word) && !o.weighted:
		return o.weight(at, word)
	case strings.HasPrefix(word, "l:"):
		return o.threshold(at, word, &o.r.Lower)
	case strings.HasPrefix(word, "u:"):
		return o.threshold(at, word, &o.r.Upper)
	case strings.HasPrefix(word, "m:"):
		return o.threshold(at, word, &o.r.MaxConn)
	case !o.weighted && o.weightFollows():
		o.warn(at, fmt.Sprintf("`%s` is ignored", word), "write the weight alone")
		return true
	}
	return o.leftOver(at, word)
}

func (o *realReader) weightFollows() bool {
	word := firstWord(strings.TrimLeft(o.rest, " \t"))
	return word != "" && digitsLen(word) == len(word)
}

func (o *realReader) leftOver(at int, word string) bool {
	hint := `write ADDRESS:PORT METHOD [WEIGHT] ["REQUEST","RECEIVE"] [l:LOWER] [u:UPPER] [m:MAXCONN]`
	switch {
	case strings.HasPrefix(word, "weight"):
		hint = "write the weight alone: a number"
	case word[0] == '-' && digitsLen(word[1:]) > 0:
		hint = fmt.Sprintf("a weight is 0 to %d", maxWeight)
	}
	return o.fail(at, fmt.Sprintf("`%s` is not understood", word), hint)
}

func (o *realReader) weight(at int, digits string) bool {
	n, err := strconv.Atoi(digits)
	if err != nil || n > maxWeight {
		return o.fail(at, fmt.Sprintf("the weight %s is too much", digits), fmt.Sprintf("a weight is 0 to %d", maxWeight))
	}
	o.r.Weight, o.weighted = n, true
	return true
}

func (o *realReader) threshold(at int, word string, to *uint32) bool {
	n, err := strconv.ParseUint(word[2:], 10, 32)
	if err != nil {
		return o.fail(at, fmt.Sprintf("`%s` is no number of connections", word), fmt.Sprintf("write %s and a number", word[:2]))
	}
	*to = uint32(n)
	return true
}

// thresholds refuses thresholds that the kernel refuses.
func (o *realReader) thresholds() bool {
	switch {
	case o.r.Upper != 0 && o.r.Lower > o.r.Upper:
		return o.fail(o.valAt, fmt.Sprintf("the lower threshold %d is above the upper threshold %d", o.r.Lower, o.r.Upper), "")
	case o.r.Lower != 0 && o.r.Upper == 0:
		o.warn(o.valAt, "a lower threshold without an upper one has no effect", "add u:UPPER")
		o.r.Lower = 0
	}
	return true
}

// pair reads "REQUEST","RECEIVE".
func (o *realReader) pair() bool {
	start := o.at()
	if o.paired {
		return o.leftOver(start, firstWord(o.rest))
	}
	request, _, ok := o.text()
	if !ok {
		return false
	}
	if !o.separator() {
		return o.fail(start, "the pattern behind the request is missing", `write "REQUEST","RECEIVE"`)
	}
	receive, at, ok := o.text()
	if !ok {
		return false
	}
	o.paired = true
	o.r.Request, o.r.Receive = withSlash(request), nil
	if receive != "" {
		o.r.Receive, ok = readPattern(o.field, receive, at)
	}
	return ok
}

// separator skips the separator between the two texts of a pair.
func (o *realReader) separator() bool {
	before := len(o.rest)
	o.rest = strings.TrimLeft(o.rest, " \t")
	blanks := before > len(o.rest)
	if strings.HasPrefix(o.rest, ",") {
		if blanks {
			o.lenient(o.at()-1, "a blank before the comma", `write "REQUEST","RECEIVE"`)
		}
		o.rest = strings.TrimLeft(o.rest[1:], " \t")
	}
	return startsWithAny(o.rest, `"`+curly)
}

// text reads a text in quotes and returns it with its offset.
func (o *realReader) text() (s string, at int, ok bool) {
	open, n := utf8.DecodeRuneInString(o.rest)
	at = o.at() + n
	if open != '"' {
		o.lenient(o.at(), "typographic quotes", `write plain double quotes: "`)
	}
	closers := `"`
	if open != '"' || !strings.Contains(o.rest[n:], `"`) {
		closers += curly
	}
	end := strings.IndexAny(o.rest[n:], closers)
	if end < 0 {
		return "", at, o.fail(o.at(), "no closing quote", "")
	}
	s = o.rest[n : n+end]
	_, width := utf8.DecodeRuneInString(o.rest[n+end:])
	o.rest = o.rest[n+end+width:]
	if i := strings.IndexByte(s, '#'); i >= 0 {
		o.hashInQuotes(at + i)
	}
	return strings.ReplaceAll(s, "\t", "    "), at, true
}

func withSlash(request string) string {
	if strings.HasPrefix(request, "/") {
		return request
	}
	return "/" + request
}
