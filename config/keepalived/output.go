package keepalived

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/config"
)

// An output is the text of an ldirectord.cf while it is made.
type output struct {
	file   string
	lines  []line
	losses []Loss
	notes  []Loss
	quiet  bool // what is lost has been told already
	inside bool // a section
	began  int  // the line of the keepalived.conf that the section is from
}

// A line is one of the text.
type line struct {
	kind lineKind
	text string // without indentation
	from int    // the line of the keepalived.conf
}

type lineKind uint8

const (
	remark lineKind = iota // a comment, or an empty line
	global
	head // begins a section
	setting
	realServer
)

func (o *output) header() {
	o.add(line{text: "# from " + printable(o.file) + " by shunt convert; what is lost: grep LOST"})
	o.end()
}

func (o *output) add(l line) { o.lines = append(o.lines, l) }

// maxComment is how many bytes of a loss stand in a comment.
const maxComment = 400

// lose tells that a statement is lost, and why.
func (o *output) lose(n *node, why string) {
	what := strings.Join(n.words, " ")
	if n.open {
		what += " {...}"
	}
	o.loseText(n, what, why)
}

// loseText tells that something of the statement n is lost.
func (o *output) loseText(n *node, what, why string) {
	if o.quiet {
		return
	}
	l := Loss{File: printable(o.file), Line: n.line, What: printable(what), Why: printable(why)}
	o.losses = append(o.losses, l)
	o.add(line{kind: remark, text: l.comment()})
}

func (l Loss) comment() string {
	return fmt.Sprintf("# LOST %s:%d: %s: %s", l.File, l.Line, l.What, l.Why)
}

// note tells of a statement that is none of shunt's business.
func (o *output) note(n *node, why string) {
	what := n.name()
	if n.open && len(n.words) > 1 {
		what += " " + n.arg(0)
	}
	o.notes = append(o.notes, Loss{File: printable(o.file), Line: n.line, What: printable(what), Why: why})
}

// printable returns a text as one line, short enough for a comment.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxComment {
		text = strings.ToValidUTF8(text[:maxComment], "") + "..."
	}
	return text
}

// section begins a section.
func (o *output) section(n *node, key, value string) {
	if n := len(o.lines); o.lines[n-1].text != "" {
		o.add(line{})
	}
	o.add(line{kind: head, text: key + " = " + value, from: n.line})
	o.inside, o.began = true, n.line
}

// end ends a section.
func (o *output) end() {
	o.add(line{})
	o.inside = false
}

// set writes a directive with a value that the statement n has given.
func (o *output) set(n *node, key, value string) {
	kind := setting
	if !o.inside {
		kind = global
	}
	o.write(n, kind, key, value)
}

// plain writes a directive that no statement has given.
func (o *output) plain(key, value string) {
	o.add(line{kind: setting, text: key + " = " + value, from: o.began})
}

func (o *output) real(n *node, key, value string) { o.write(n, realServer, key, value) }

func (o *output) write(n *node, kind lineKind, key, value string) {
	switch {
	case value == "" || value == quoted(""):
		return
	case printable(value) != value:
		o.loseText(n, key+" = "+value, "it is too long, or has characters that no value can have")
	default:
		o.add(line{kind: kind, text: key + " = " + value, from: n.line})
	}
}

// text returns lines as a file.
func text(lines []line) []byte {
	var b bytes.Buffer
	inside := false
	for _, l := range lines {
		switch {
		case l.text == "":
			inside = false
		case l.kind == head:
			inside = true
		case inside:
			b.WriteByte('\t')
		}
		b.WriteString(l.text + "\n")
	}
	return b.Bytes()
}

// result returns what was made, once it has no errors. Lines that shunt refuses are
// losses as well. Each section is read alone first, so that the time grows with the
// file and not with its square.
func (o *output) result(ctx context.Context) Result {
	for at := 0; at < len(o.lines); at++ {
		if o.lines[at].kind == head {
			end := at
			for end < len(o.lines) && o.lines[end].text != "" {
				end++
			}
			o.correct(ctx, o.lines[at:end])
			at = end
		}
	}
	o.correct(ctx, o.lines)
	slices.SortStableFunc(o.losses, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
	})
	o.losses = slices.Compact(o.losses) // services of a group lose the same
	return o.made(text(o.lines))
}

// maxRounds is how many times lines with errors are taken out before all are.
const maxRounds = 50

// correct makes losses of the lines that have errors, until there are none.
func (o *output) correct(ctx context.Context, lines []line) {
	for round := 0; ; round++ {
		_, err := config.Parse(ctx, o.file, text(lines), config.Options{Resolver: nobody{}})
		problems, bad := errors.AsType[config.Problems](err)
		switch {
		case !bad:
			return
		case round < maxRounds && o.drop(lines, problems):
		default:
			o.dropAll(lines)
			return
		}
	}
}

// drop makes losses of the lines that have errors, and reports whether there were any.
// Of a section without its virtual line nothing is left.
func (o *output) drop(lines []line, problems config.Problems) (dropped bool) {
	refused := map[int]config.Problem{}
	for _, p := range problems {
		if p.Severity != config.Error {
			continue
		}
		for _, num := range append([]int{p.Pos.Line}, p.Also[:]...) {
			if num > 0 {
				refused[num-1] = p
			}
		}
	}
	gone := false // the section
	for i := range lines {
		l := &lines[i]
		p, bad := refused[i]
		if l.kind == head || l.text == "" {
			gone = bad
		}
		switch {
		case l.kind == remark:
		case bad:
			o.refuse(l, "shunt refuses it: "+p.Text)
			dropped = true
		case gone:
			*l = line{text: "# " + l.text} // the loss of the virtual line says it
		}
	}
	return dropped
}

// refuse makes a loss of a line.
func (o *output) refuse(l *line, why string) {
	loss := Loss{File: printable(o.file), Line: max(l.from, 1), What: l.text, Why: printable(why)}
	o.losses = append(o.losses, loss)
	*l = line{text: loss.comment()}
}

// dropAll makes losses of all lines.
func (o *output) dropAll(lines []line) {
	for i := range lines {
		if l := &lines[i]; l.kind != remark {
			o.refuse(l, "shunt refuses the file as a whole")
		}
	}
}

func (o *output) made(text []byte) Result {
	r := Result{Text: text, Losses: o.losses, Notes: o.notes}
	for _, l := range o.lines {
		switch l.kind {
		case head:
			r.Services++
		case realServer:
			r.Reals++
		}
	}
	return r
}

// nobody is a resolver that knows no host: keepalived takes addresses alone.
type nobody struct{}

// LookupNetIP returns an error.
func (nobody) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("no host name is looked up")
}
