package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-lb/shunt/config/internal/suggest"
	"github.com/shunt-lb/shunt/internal/services"
	"github.com/shunt-lb/shunt/internal/similar"
)

// A field is a line whose value is being read. Its methods return false when
// they have reported an error.
type field struct {
	*collector
	stmt
	global bool
	hash   int // offset of the comment, once it has been cut
}

func (f *field) fail(at int, text, hint string) bool {
	f.collector.fail(&f.stmt, at, text, hint)
	return false
}

// wait reports a thing that is not available now. It returns false, as fail does.
func (f *field) wait(at int, text, hint string) bool {
	f.collector.wait(&f.stmt, at, text, hint)
	return false
}

// without returns a clause that says what happens to the line while a name in it
// is unknown.
func (f *field) without() string {
	what := "virtual service"
	switch f.key {
	case "real", "real6":
		what = "real server"
	case "fallback", "fallback6":
		what = "fallback"
	}
	return "until there is one this " + what + " is left out"
}

func (f *field) warn(at int, text, hint string) { f.collector.warn(&f.stmt, at, text, hint) }

func (f *field) lenient(at int, text, hint string) { f.collector.lenient(&f.stmt, at, text, hint) }

// comment removes a trailing comment. ldirectord knows none on a global line;
// refused says whether it then refuses the value.
func (f *field) comment(refused bool) {
	if !f.cut(never) || !f.global {
		return
	}
	f.foundComment(refused)
}

func (f *field) foundComment(refused bool) {
	at := f.hash
	text, hint := "a comment behind the value of a global directive", "put it on a line of its own"
	if refused {
		f.lenient(at, text, hint)
		return
	}
	f.warn(at, text, hint)
}

// number reads the first run of digits, as ldirectord does.
func (f *field) number(lo, hi int64) (int64, bool) {
	f.comment(false)
	i := strings.IndexFunc(f.val, func(r rune) bool { return r < 0x80 && isDigit(byte(r)) })
	if i < 0 {
		return 0, f.fail(f.valAt, fmt.Sprintf("`%s` wants a number", f.key), "")
	}
	digits := f.val[i : i+digitsLen(f.val[i:])]
	if i > 0 && f.val[i-1] == '-' && byName[f.key].own { // ldirectord ignores the sign, which is never meant
		return 0, f.fail(f.valAt+i-1, fmt.Sprintf("-%s is too little for `%s`", digits, f.key), fmt.Sprintf("the least is %d", lo))
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || n > hi:
		return 0, f.fail(f.valAt+i, fmt.Sprintf("%s is too much for `%s`", digits, f.key), fmt.Sprintf("the most is %d", hi))
	case n < lo:
		return 0, f.fail(f.valAt+i, fmt.Sprintf("%s is too little for `%s`", digits, f.key), fmt.Sprintf("the least is %d", lo))
	}
	if digits != f.val {
		f.warn(f.valAt, fmt.Sprintf("`%s` is read as %d", f.val, n), fmt.Sprintf("write %s=%d", f.key, n))
	}
	return n, true
}

func digitsLen(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// yesNo reads yes or no.
func (f *field) yesNo() (yes, ok bool) {
	f.straighten()
	if f.cut(never) {
		f.behindYes()
	} else if f.tail {
		f.lenient(f.valAt+len(f.val), "blanks behind `"+f.val+"`", "remove them")
	}
	word := strings.ToLower(strings.Trim(f.val, `"'`))
	if word != "yes" && word != "no" {
		return false, f.fail(f.valAt, fmt.Sprintf("`%s` is yes or no, not `%s`", f.key, f.val), "")
	}
	if word != f.val {
		f.lenient(f.valAt, fmt.Sprintf("`%s` is read as %s", f.val, word), fmt.Sprintf("write %s=%s", f.key, word))
	}
	return word == "yes", true
}

func (f *field) behindYes() {
	if f.global {
		f.foundComment(true)
		return
	}
	f.lenient(f.hash, "a comment behind yes or no", "put it on a line of its own")
}

// quoted reads a value in double quotes. With optional they may be missing.
func (f *field) quoted(optional bool) (string, bool) {
	f.straighten()
	if !strings.HasPrefix(f.val, `"`) {
		return f.unquoted(optional)
	}
	f.cut(unclosed)
	end := strings.LastIndexByte(f.val, '"')
	if end == 0 {
		return "", f.fail(f.valAt, "no closing quote", "")
	}
	if f.val[end+1:] != "" {
		f.warn(f.valAt+end+1, "text behind the closing quote is ignored", "put comments behind a #")
	}
	inner := f.val[1:end]
	if i := strings.IndexByte(inner, '#'); i >= 0 && !f.global {
		f.hashInQuotes(f.valAt + 1 + i)
	}
	return f.filled(inner)
}

func (f *field) hashInQuotes(at int) {
	f.lenient(at, "a # inside of quotes", `for ldirectord the comment begins here; in a pattern, write \x23`)
}

func (f *field) unquoted(optional bool) (string, bool) {
	if f.cut(never) && f.global && optional {
		f.foundComment(false)
	}
	if !f.singles() && !optional && f.val != "" {
		f.lenient(f.valAt, fmt.Sprintf("the value of `%s` stands without quotes", f.key), fmt.Sprintf(`write %s="..."`, f.key))
	}
	return f.filled(f.val)
}

// raw reads the rest of the line as it is.
func (f *field) raw() (string, bool) {
	open := never
	if f.global {
		open = unlessBlank
	}
	if f.cut(open) && f.global {
		f.foundComment(false)
	}
	return f.filled(f.val)
}

// filled refuses an empty value, and replaces tabs as ldirectord does.
func (f *field) filled(v string) (string, bool) {
	if v == "" {
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is empty", f.key), "leave the line out")
	}
	if i := strings.IndexByte(v, '\t'); i >= 0 {
		f.warn(f.valAt, "a tab in the value counts as four blanks", `in a pattern, write \t`)
		v = strings.ReplaceAll(v, "\t", "    ")
	}
	return v, true
}

// word reads the first run of letters, digits, underscores and what more
// allows, wherever it stands.
func (f *field) word(more string) (string, bool) {
	f.straighten()
	f.comment(false)
	in := func(r rune) bool {
		return r == '_' || r < 0x80 && isAlnum(byte(r)) || strings.ContainsRune(more, r)
	}
	i := strings.IndexFunc(f.val, in)
	if i < 0 {
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` wants a word", f.key), "")
	}
	w := f.val[i:]
	if n := strings.IndexFunc(w, func(r rune) bool { return !in(r) }); n >= 0 {
		w = w[:n]
	}
	if w != f.val {
		f.warn(f.valAt, fmt.Sprintf("`%s` is read as %s", f.val, w), fmt.Sprintf("write %s=%s", f.key, w))
	}
	return w, true
}

// oneOf reads a word that is one of known.
func (f *field) oneOf(known []string, more string) (string, bool) {
	w, ok := f.word(more)
	if !ok {
		return "", false
	}
	if slices.Contains(known, w) {
		return w, true
	}
	return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no %s", w, f.key), suggest.Choice(w, known))
}

// service is the service of a negotiate check.
var service = bind("`"+strings.Join(services.Names(), "`, `")+"`", func(f *field) (string, bool) {
	w, ok := f.word("-")
	known := services.Names()
	if !ok || slices.Contains(known, w) {
		return w, ok
	}
	hint := suggest.Choice(w, known)
	if similar.Word(strings.ToLower(w), known) == "" {
		hint += "; a program of your own checks with checktype=external, checkcommand=PROGRAM"
	}
	return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no service", w), hint)
}, asIs)(func(t target) *string { return &t.v.Service })

// duration reads a duration of shunt's own: seconds, or a number with ms, s,
// m or h.
func (f *field) duration(lo time.Duration) (time.Duration, bool) {
	f.comment(false)
	text := f.val
	if text != "" && digitsLen(text) == len(text) {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no duration", f.val), "write seconds, or a number with ms, s, m or h")
	case d < lo:
		return 0, f.fail(f.valAt, fmt.Sprintf("%s is too little for `%s`", f.val, f.key), "the least is "+lo.String())
	case d > maxSeconds*time.Second:
		return 0, f.fail(f.valAt, fmt.Sprintf("%s is too much for `%s`", f.val, f.key), "the most is a year")
	}
	return d, true
}

// maxSeconds is a year, so that no duration overflows.
const maxSeconds = 365 * 24 * 3600

// maxCount bounds the numbers that count attempts.
const maxCount = math.MaxInt32
