package config

import "strings"

// curly are the double quotes that word processors and web pages make.
const curly = "“”„‟«»″＂"

var straight = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "‟", `"`, "«", `"`, "»", `"`, "″", `"`, "＂", `"`)

// straighten makes the quotes of a value straight, if it begins with one that
// is not, or ends its only straight one with one that is not.
func (f *field) straighten() {
	opens := startsWithAny(f.val, curly)
	mixed := strings.HasPrefix(f.val, `"`) && strings.Count(f.val, `"`) == 1 && strings.ContainsAny(f.val, curly)
	if !opens && !mixed {
		return
	}
	f.lenient(f.valAt, "typographic quotes", `write plain double quotes: "`)
	f.val = straight.Replace(f.val)
	f.text = f.text[:f.valAt] + f.val
}

func startsWithAny(s, chars string) bool { return strings.IndexAny(s, chars) == 0 }

// singles takes off single quotes around the whole value.
func (f *field) singles() (found bool) {
	for _, q := range []string{"'", "‘", "’"} {
		closed := strings.HasSuffix(f.val, "'") || strings.HasSuffix(f.val, "’") || strings.HasSuffix(f.val, "‘")
		if len(f.val) > 2*len(q)-1 && strings.HasPrefix(f.val, q) && closed {
			f.lenient(f.valAt, "single quotes", `write plain double quotes: "`)
			f.val = strings.Trim(f.val, "'‘’")
			return true
		}
	}
	return false
}

// cut takes the comment off the value: it begins at the first # that open
// does not claim for the value before it.
func (f *field) cut(open func(before string) bool) (found bool) {
	for i := range len(f.val) {
		if f.val[i] == '#' && !open(f.val[:i]) {
			f.hash = f.valAt + i
			f.val = strings.TrimRight(f.val[:i], " \t")
			f.tail = false
			return true
		}
	}
	return false
}

// Where a # is part of the value: nowhere, where no blank stands before it,
// until the quotes are closed, while there is an odd number of them.
func never(string) bool { return false }

func unlessBlank(before string) bool {
	return before != "" && before[len(before)-1] != ' ' && before[len(before)-1] != '\t'
}

func unclosed(before string) bool { return strings.Count(before, `"`) < 2 }

func oddQuotes(before string) bool { return strings.Count(straight.Replace(before), `"`)%2 == 1 }
