package config

import (
	"fmt"
	"strconv"
	"strings"
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
		t.v.Receive, ok = f.pattern(source, at)
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

// fallbackCommand keeps its quotes outside of sections, where they are the
// shell's.
var fallbackCommand = value{
	kind: "command, quotes optional",
	set: func(f *field, t target) (ok bool) {
		if f.global {
			t.s.FallbackCommand, ok = f.raw()
			return ok
		}
		t.s.FallbackCommand, ok = f.quoted(true)
		return ok
	},
	get: func(t target) []string {
		if t.v == nil {
			return line(t.s.FallbackCommand)
		}
		return line(inQuotes(t.s.FallbackCommand))
	},
}

func getFallback(t target) []string {
	fb := t.s.Fallback
	if fb == nil || !fb.Sorry && fb.Addr.Addr().Is6() {
		return nil
	}
	return []string{fb.String()}
}

func getFallback6(t target) []string {
	fb := t.s.Fallback
	if t.v == nil {
		fb = t.g.Fallback6
	} else if fb != nil && fb.Sorry {
		return nil // told by fallback
	}
	if fb == nil || !fb.Sorry && fb.Addr.Addr().Is4() {
		return nil
	}
	return []string{fb.String()}
}

// String returns the fallback as a file would name it: "sorry",
// "127.0.0.1:80 gate", without a port where it has none.
func (fb *Fallback) String() string {
	if fb.Sorry {
		return sorryWord
	}
	return endpointText(fb.Addr) + " " + fb.Forward.String()
}
