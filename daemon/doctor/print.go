package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Print writes a report for people to read, about a file on a host.
func Print(w io.Writer, r *Report, file, host string) error {
	var b strings.Builder
	for _, f := range r.Findings {
		row(&b, f.Severity.String(), string(f.Code), f.What)
		row(&b, "", "breaks", f.Breaks)
		there := "type"
		if f.There {
			there = "type there"
		}
		row(&b, "", there, f.Type)
		row(&b, "", "line", f.At)
	}
	fmt.Fprintf(&b, "%s, %s, %s; %s of %s for %s\n", count(r.Count(Error), "error"), count(r.Count(Warning), "warning"), count(r.Count(Note), "note"),
		count(r.Examinations, "examination"), host, file)
	_, err := io.WriteString(w, b.String())
	return err
}

// row writes one line in three columns, if there is a text.
func row(b *strings.Builder, first, second, text string) {
	if text != "" {
		fmt.Fprintf(b, "%-8s %-25s %s\n", first, second, printable(text))
	}
}

// printable replaces what a terminal would follow: parts of texts are of other
// machines.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ';'
		case unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
