// Package fold breaks texts into lines for a terminal.
package fold

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// narrow is the width below which nothing is broken: lines of a word each are
// harder to read than long ones.
const narrow = 40

// Words breaks s between words into lines of at most width columns, which a
// longer word exceeds: addresses and file names stay whole, to be copied. Lines
// but the first begin with indent. Below forty columns nothing is broken, and s
// comes back as it is.
func Words(s string, width int, indent string) []string {
	if width < narrow {
		return []string{s}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case text.StringWidth(line)+1+text.StringWidth(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = indent + word
		}
	}
	return append(lines, line)
}
