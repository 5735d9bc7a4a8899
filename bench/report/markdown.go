package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/shunt-lb/shunt/bench/result"
)

// tall is how many rows a table may have without being folded away.
const tall = 20

// Markdown writes run as a part of a document: facts as a list, a heading of
// the third level for each section, tables, and what not to conclude. Tables
// with many rows are folded away. The error is w's.
func Markdown(w io.Writer, run result.Run) error {
	var b bytes.Buffer
	for _, f := range facts(run) {
		fmt.Fprintf(&b, "- %s: %s\n", f.name, inline(f.text))
	}
	for _, s := range sections(run) {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", inline(s.title), inline(s.about))
		for _, g := range s.tables {
			markdownTable(&b, g)
		}
		list := "\n"
		for _, n := range s.notes {
			fmt.Fprintf(&b, "%s- %s\n", list, inline(n))
			list = ""
		}
	}
	if len(run.Limits) > 0 {
		b.WriteString("\n### What not to conclude\n\n")
	}
	for _, l := range run.Limits {
		fmt.Fprintf(&b, "- %s\n", inline(l))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func markdownTable(b *bytes.Buffer, g grid) {
	title, fold := inline(g.title), len(g.rows) > tall
	switch {
	case fold:
		fmt.Fprintf(b, "\n<details><summary>%s: %d rows</summary>\n", cmp.Or(title, "The table"), len(g.rows))
	case title != "":
		fmt.Fprintf(b, "\n%s:\n", title)
	}
	b.WriteByte('\n')
	markdownRow(b, g.columns, func(c column) string { return " " + inline(c.name) + " " })
	markdownRow(b, g.columns, func(c column) string { return map[bool]string{false: "---", true: "---:"}[c.right] })
	for _, r := range g.rows {
		markdownRow(b, r, func(c cell) string { return " " + marked(c) + " " })
	}
	if fold {
		b.WriteString("\n</details>\n")
	}
}

func markdownRow[T any](b *bytes.Buffer, cells []T, write func(T) string) {
	b.WriteByte('|')
	for _, c := range cells {
		b.WriteString(write(c) + "|")
	}
	b.WriteByte('\n')
}

// marked is a cell with what is wrong in bold.
func marked(c cell) string {
	if c.mood == bad && c.text != "" {
		return "**" + inline(c.text) + "**"
	}
	return inline(c.text)
}

var inlined = strings.NewReplacer("|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "<", "&lt;", "[", "\\[", "\\", "\\\\")

// inline keeps a text from being read as anything else than that.
func inline(s string) string { return inlined.Replace(printable(s)) }

// Insert returns a document with what is between the lines "<!-- NAME -->" and
// "<!-- /NAME -->" replaced by run in Markdown. It is an error if they are not
// there, once each and in that order.
func Insert(document []byte, name string, run result.Run) ([]byte, error) {
	begin, end := []byte("<!-- "+name+" -->\n"), []byte("<!-- /"+name+" -->\n")
	before, rest, ok := bytes.Cut(document, begin)
	_, after, ok2 := bytes.Cut(rest, end)
	if !ok || !ok2 || bytes.Contains(after, begin) {
		return nil, fmt.Errorf("the document has not one line %q and one %q behind it", bytes.TrimSpace(begin), bytes.TrimSpace(end))
	}
	var b bytes.Buffer
	b.Write(before)
	b.Write(begin)
	b.WriteByte('\n')
	err := Markdown(&b, run)
	b.WriteByte('\n')
	b.Write(end)
	b.Write(after)
	return b.Bytes(), err
}
