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

// Markdown writes run as a part of a document: facts as a list, a heading of the
// third level for each section, tables, and limits. Tables with many rows are
// folded away. The error is w's.
func Markdown(w io.Writer, run result.Run) error {
	run = printable(run)
	var b bytes.Buffer
	for _, f := range facts(run) {
		fmt.Fprintf(&b, "- %s: %s\n", f.Name, inline(f.Text))
	}
	for _, s := range sections(run) {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", inline(s.Title), inline(s.About))
		for _, t := range s.Tables {
			markdownTable(&b, t)
		}
		markdownList(&b, s.Notes)
	}
	if len(run.Limits) > 0 {
		b.WriteString("\n### Limits of these figures\n")
	}
	markdownList(&b, run.Limits)
	_, err := w.Write(b.Bytes())
	return err
}

func markdownList(b *bytes.Buffer, items []string) {
	space := "\n"
	for _, i := range items {
		fmt.Fprintf(b, "%s- %s\n", space, inline(i))
		space = ""
	}
}

func markdownTable(b *bytes.Buffer, t table) {
	title, fold := inline(t.Title), len(t.Rows) > tall
	switch {
	case fold:
		fmt.Fprintf(b, "\n<details><summary>%s: %d rows</summary>\n", cmp.Or(title, "The table"), len(t.Rows))
	case title != "":
		fmt.Fprintf(b, "\n%s:\n", title)
	}
	w := t.writer(func(c cell) string {
		if c.Mark == bad && c.Text != "" {
			return "**" + inline(c.Text) + "**"
		}
		return inline(c.Text)
	})
	fmt.Fprintf(b, "\n%s\n", w.RenderMarkdown())
	if fold {
		b.WriteString("\n</details>\n")
	}
}

// inlined escapes Markdown. The renderer of tables escapes bars.
var inlined = strings.NewReplacer("*", "\\*", "_", "\\_", "`", "\\`", "<", "&lt;", "[", "\\[", "\\", "\\\\")

// inline returns s with all Markdown in it escaped.
func inline(s string) string { return inlined.Replace(s) }

// Insert returns a document with what is between the lines "<!-- NAME -->" and
// "<!-- /NAME -->" replaced by run in Markdown. It is an error if they are not
// there, once each and in that order.
func Insert(document []byte, name string, run result.Run) ([]byte, error) {
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	before, rest, ok := strings.Cut(string(document), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 || strings.Contains(after, begin) {
		return nil, fmt.Errorf("the document has not one line %q and one %q behind it", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	var b bytes.Buffer
	err := Markdown(&b, run)
	return []byte(before + begin + "\n" + b.String() + "\n" + end + after), err
}
