// Package quote shows what a real server, a client library or a program has said:
// in one line, bounded, fit for a status page, and without secrets.
//
// The package imports nothing of the project.
package quote

import (
	"strconv"
	"strings"
	"unicode"
)

const (
	// MaxShort is how many bytes Short and Plain show.
	MaxShort = 200
	// MaxQuoted is how many bytes Quoted shows.
	MaxQuoted = 100
)

// Short returns the beginning of text.
func Short(text string) string {
	if len(text) > MaxShort {
		return text[:MaxShort] + "..."
	}
	return text
}

// Quoted returns the beginning of what a real server said in quotes, with control
// characters escaped and secrets masked that the server may have sent back.
func Quoted(said []byte, secrets ...string) string {
	text := masked(string(said), secrets...)
	if len(text) > MaxQuoted {
		return strconv.Quote(text[:MaxQuoted]) + "..."
	}
	return strconv.Quote(text)
}

// Plain returns the beginning of said, a string or an error, as one printable
// line with secrets masked.
func Plain(said any, secrets ...string) string {
	text, ok := said.(string)
	if err, is := said.(error); is {
		text, ok = err.Error(), true
	}
	if !ok {
		text = "unknown"
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		default:
			return r
		}
	}, masked(text, secrets...))
	return Short(strings.Join(strings.Fields(text), " "))
}

// Printable maps r to what a line may show of it: a blank for a tab, and -1 for
// what would upset a status page.
func Printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case r == unicode.ReplacementChar || !unicode.IsPrint(r):
		return -1
	default:
		return r
	}
}

// masked is text without secrets, of which some may be empty.
func masked(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	return text
}
