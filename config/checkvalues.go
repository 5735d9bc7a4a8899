package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/config/internal/pattern"
)

// checkTypes are the words of checktype; a number is the combined form.
var checkTypes = []struct {
	word string
	is   CheckType
}{
	{"negotiate", CheckNegotiate},
	{"connect", CheckConnect},
	{"ping", CheckPing},
	{"external", CheckExternal},
	{"external-perl", CheckExternalPerl},
	{"off", CheckOff},
	{"on", CheckOn},
}

var checkType = value{
	kind: "`negotiate`, `connect`, `ping`, `external`, `external-perl`, `off`, `on`, or a number",
	set: func(f *field, t target) bool {
		f.straighten()
		f.cut(never)
		if strings.ContainsAny(f.val, "0123456789") {
			n, ok := f.number(0, maxCount)
			t.v.CheckType, t.v.CombinedN = CheckCombined, int(n)
			return ok
		}
		words := make([]string, len(checkTypes))
		for i, w := range checkTypes {
			words[i] = w.word
		}
		w, ok := f.oneOf(words, "-")
		for _, known := range checkTypes {
			if known.word == w {
				t.v.CheckType, t.v.CombinedN = known.is, 0
			}
		}
		return ok
	},
	get: func(t target) []string {
		if t.v.CheckType == CheckCombined {
			return []string{strconv.Itoa(t.v.CombinedN)}
		}
		return []string{t.v.CheckType.String()}
	},
}

var request = value{
	kind: "text in double quotes",
	set: func(f *field, t target) bool {
		r, ok := f.quoted(false)
		t.v.Request = withSlash(r)
		return ok
	},
	get: func(t target) []string { return line(inQuotes(t.v.Request)) },
}

var receive = value{
	kind: "regular expression in double quotes",
	set: func(f *field, t target) bool {
		source, ok := f.quoted(false)
		if !ok {
			return false
		}
		at := f.valAt + max(0, strings.IndexByte(f.val, '"')+1)
		t.v.Receive, ok = readPattern(f, source, at)
		return ok
	},
	get: func(t target) []string {
		if t.v.Receive == nil {
			return nil
		}
		return []string{inQuotes(t.v.Receive.String())}
	},
}

var httpMethod = bind("`GET` or `HEAD`", func(f *field) (string, bool) {
	w, ok := f.word("")
	w = strings.ToUpper(w)
	if ok && w != "GET" && w != "HEAD" {
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no httpmethod", w), "write GET or HEAD")
	}
	return w, ok
}, asIs)(func(t target) *string { return &t.v.HTTPMethod })

var load = bind("text in double quotes, with a letter or digit in it", func(f *field) (string, bool) {
	v, ok := f.quoted(false)
	if ok && strings.IndexFunc(v, func(r rune) bool { return r == '_' || r < 0x80 && isAlnum(byte(r)) }) < 0 {
		return "", f.fail(f.valAt, "`load` has no letter or digit in it", "")
	}
	return v, ok
}, inQuotes)(func(t target) *string { return &t.v.Load })

// virtualHost goes into a request unchanged, so that a URL never works.
var virtualHost = noticed(bind("host name, quotes optional", readVirtualHost, inQuotes)(func(t target) *string { return &t.v.VirtualHost }), func(f *field, t target) {
	bare := t.v.VirtualHost
	if i := strings.Index(bare, "://"); i >= 0 {
		bare = bare[i+3:]
	}
	bare, _, _ = strings.Cut(bare, "/")
	if bare != t.v.VirtualHost {
		f.warn(f.valAt, fmt.Sprintf("`%s` is no host name: a web server does not know it", t.v.VirtualHost), "write virtualhost="+bare+"; the path belongs into request")
	}
})

// readVirtualHost reads a name that ends at the second quote.
func readVirtualHost(f *field) (string, bool) {
	f.straighten()
	if !strings.HasPrefix(f.val, `"`) {
		f.cut(never)
		f.singles()
		if i := strings.IndexByte(f.val, '"'); i >= 0 {
			return "", f.fail(f.valAt+i, "a quote inside of the name", "")
		}
		return f.filled(f.val)
	}
	f.cut(unclosed)
	name, behind, closed := strings.Cut(f.val[1:], `"`)
	if !closed {
		return "", f.fail(f.valAt, "no closing quote", "")
	}
	if behind != "" {
		f.warn(f.valAt+len(name)+2, "text behind the closing quote is ignored", "put comments behind a #")
	}
	if i := strings.IndexByte(name, '#'); i >= 0 {
		f.hashInQuotes(f.valAt + 1 + i)
	}
	return f.filled(name)
}

// A Pattern is a receive pattern: a Perl regular expression as far as Go has
// them, matched against bytes, unanchored. A Pattern may be used by many
// goroutines.
type Pattern = pattern.Pattern

// CompilePattern makes a Pattern of source. Its error is a *syntax.Error of
// package regexp/syntax.
func CompilePattern(source string) (*Pattern, error) { return pattern.Compile(source) }

// readPattern compiles source, which stands at the offset at of the line.
func readPattern(f *field, source string, at int) (*Pattern, bool) {
	if p := f.patterns[source]; p != nil {
		return p, true
	}
	if f.steps > maxFileSteps {
		return nil, f.fail(at, fmt.Sprintf("the patterns of the file make programs of more than %d steps", maxFileSteps), "use smaller repeat counts, or the same pattern for more servers")
	}
	p, err := pattern.Compile(source)
	if err == nil {
		f.remember(p)
		return p, true
	}
	text, hint, offset := pattern.Explain(err, source)
	return nil, f.fail(at+offset, "broken regular expression: "+text, hint)
}

// maxFileSteps is how many steps all patterns of a file may have, equal ones
// counted once. A step takes some hundred bytes.
const maxFileSteps = 1 << 17

// remember keeps patterns, so that equal ones of a file are one.
func (c *collector) remember(p *Pattern) {
	if c.patterns == nil {
		c.patterns = map[string]*Pattern{}
	}
	c.patterns[p.String()] = p
	c.steps += p.Steps()
}

// closings are the words of checkclose.
var closings = []string{"fin", "rst"}

var checkClose = bind("`fin` or `rst`", func(f *field) (bool, bool) {
	w, ok := f.oneOf(closings, "")
	return w == closings[1], ok
}, func(reset bool) string {
	if reset {
		return closings[1]
	}
	return closings[0]
})(func(t target) *bool { return &t.s.CheckReset })
