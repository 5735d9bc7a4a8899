package keepalived

import "strings"

// A node is one statement of a keepalived.conf: its words, and what stands in its
// braces.
type node struct {
	line  int
	words []string
	block []*node
	open  bool   // it has braces
	why   string // it cannot be read as it stands, for this reason
}

func (n *node) name() string { return n.words[0] }

// arg returns a word behind the name, "" if there is none.
func (n *node) arg(i int) string {
	if i+1 < len(n.words) {
		return n.words[i+1]
	}
	return ""
}

func (n *node) rest() string { return strings.Join(n.words[1:], " ") }

const (
	maxDepth = 16
	maxNodes = 1 << 18
	maxWords = 1 << 10 // of a statement
)

// A reader makes nodes of the lines of a file.
type reader struct {
	root    node
	stack   []*node // the blocks that are open
	nodes   int
	depth   int // of braces, those beyond maxDepth included
	full    bool
	strayed int // the line of a brace that closes nothing, 0 for none
}

// parse reads a file. The grammar is keepalived's: a statement a line, words divided
// by blanks, comments behind # and !, quotes as in a shell.
func parse(text string) *reader {
	r := &reader{}
	r.stack = []*node{&r.root}
	num := 0
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines) && !r.full; i++ {
		num = i + 1
		line := lines[i]
		if isDefinition(line) {
			for ; strings.HasSuffix(strings.TrimRight(lines[i], " \t"), `\`) && i+1 < len(lines); i++ {
			}
			r.add(&node{line: num, words: []string{strings.TrimSpace(line)}, why: "parameters are not replaced: write what they stand for"})
			continue
		}
		r.line(num, line)
	}
	return r
}

// isDefinition reports whether a line is `$NAME=...`, which may go on on further
// lines.
func isDefinition(line string) bool {
	name, _, ok := strings.Cut(strings.TrimLeft(line, " \t"), "=")
	return ok && len(name) > 1 && name[0] == '$' && !strings.ContainsAny(name, " \t{")
}

func (r *reader) line(num int, line string) {
	var words []string
	why := ""
	for _, w := range split(line) {
		switch {
		case w.brace == '{':
			if len(words) == 0 {
				words = []string{"{"}
				why = "braces without a name"
			}
			r.begin(&node{line: num, words: words, open: true, why: why})
			words, why = nil, ""
		case w.brace == '}':
			r.statement(num, words, why)
			words, why = nil, ""
			r.end(num)
		case len(words) == maxWords:
			why = "too many words"
		default:
			if len(words) == 0 {
				why = special(w.text)
			} else if why == "" && strings.Contains(w.text, "${") {
				why = "parameters are not replaced: write what they stand for"
			}
			words = append(words, w.text)
		}
	}
	r.statement(num, words, why)
}

// special returns why a statement that begins with that word means something else than
// its words say, "" if it does not.
func special(word string) string {
	switch {
	case strings.HasPrefix(word, "@"):
		return "conditional lines are not read: write a file for this director alone"
	case strings.HasPrefix(word, "$"):
		return "parameters are not replaced: write what they stand for"
	case strings.HasPrefix(word, "~SEQ"):
		return "sequences are not read: write what they stand for"
	}
	return ""
}

func (r *reader) statement(num int, words []string, why string) {
	if len(words) > 0 {
		r.add(&node{line: num, words: words, why: why})
	}
}

func (r *reader) add(n *node) {
	if r.nodes++; r.nodes > maxNodes {
		r.full = true
		return
	}
	top := r.stack[len(r.stack)-1]
	top.block = append(top.block, n)
}

func (r *reader) begin(n *node) {
	if r.depth++; r.depth > maxDepth {
		return
	}
	r.add(n)
	r.stack = append(r.stack, n)
}

func (r *reader) end(num int) {
	switch {
	case r.depth == 0:
		r.strayed = num
		return
	case r.depth <= maxDepth:
		r.stack = r.stack[:len(r.stack)-1]
	}
	r.depth--
}

// A word is one of a line, or a brace.
type word struct {
	text  string
	brace byte
}

// escaped returns the character that a backslash and c stand for in quotes. Those that
// cannot be printed are one that no value may have.
func escaped(c byte) byte {
	if strings.IndexByte("abEfnrtvxc01234567", c) >= 0 {
		return 1
	}
	return c
}

// split divides a line into words and braces.
func split(line string) []word {
	var words []word
	var b strings.Builder
	quote, begun := byte(0), false
	flush := func() {
		if begun {
			words = append(words, word{text: b.String()})
		}
		b.Reset()
		begun = false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != 0 && i+1 < len(line):
			i++
			b.WriteByte(escaped(line[i]))
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				b.WriteByte(c)
			}
		case c == '"' || c == '\'':
			quote, begun = c, true
		case c == '#' || c == '!':
			flush()
			return words
		case c == ' ' || c == '\t' || c == '\v' || c == '\f':
			flush()
		case c == '{' && !strings.HasSuffix(b.String(), "$"):
			flush()
			words = append(words, word{brace: c})
		case c == '}' && !strings.Contains(b.String(), "${"):
			flush()
			words = append(words, word{brace: c})
		default:
			b.WriteByte(c)
			begun = true
		}
	}
	flush()
	return words
}
