package trial

import (
	"fmt"
	"io"
	"net/http/httputil"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/shunt-lb/shunt/checks"
)

// maxBeginning is how many runes of a wrong answer a verdict quotes.
const maxBeginning = 60

// ofPages are the checks whose errors do not quote the answer.
var ofPages = []string{"ftp", "http", "http_proxy", "https", "simpletcp"}

// binary is how a trace describes bytes that are no text.
var binary = regexp.MustCompile(`^binary(?: [0-9a-f]+(?:\.\.\.)?)?$`)

// statusLine is how the head of an HTTP answer begins; of HTTP/2 there is the body
// alone.
var statusLine = regexp.MustCompile(`^(?i:HTTP/|ICY )`)

// beginning says how an answer begins that is not the one wanted, so that one
// line explains it. Of other protocols the check's own words say what came.
func beginning(r Result) string {
	if r.Kind != checks.Mismatch || !slices.Contains(ofPages, r.Check) || binary.MatchString(received(r)) {
		return ""
	}
	if received(r) == "" {
		return "" // it is not known
	}
	words := []rune(strings.Join(strings.Fields(body(r)), " "))
	more := ""
	if len(words) == 0 {
		return ": it is empty"
	}
	if len(words) > maxBeginning {
		words, more = words[:maxBeginning], "…"
	}
	return `: it begins with "` + oneLine(string(words)) + more + `"`
}

// body returns what came back last, without the head of an HTTP answer.
func body(r Result) string {
	text := received(r)
	head, rest, found := cutHead(text)
	if !found || !strings.HasPrefix(r.Check, "http") || !statusLine.MatchString(head) {
		return text
	}
	if strings.Contains(strings.ToLower(head), "\ntransfer-encoding: chunked") {
		chunks, _ := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(rest))) // as far as they are held
		return string(chunks)
	}
	return rest
}

// received returns the last answer.
func received(r Result) string {
	for _, e := range slices.Backward(r.Events) {
		if e.Kind == checks.TraceReceived {
			return e.Text
		}
	}
	return ""
}

// cutHead cuts an HTTP answer behind its first blank line.
func cutHead(text string) (head, rest string, found bool) {
	for _, blank := range []string{"\r\n\r\n", "\n\n"} {
		if head, rest, found = strings.Cut(text, blank); found {
			return head, rest, true
		}
	}
	return text, "", false
}

// oneLine writes what a terminal would follow as escapes.
func oneLine(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(r)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
