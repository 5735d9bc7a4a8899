package textproto

import (
	"bytes"

	"github.com/shunt-lb/shunt/checks/internal/failure"
)

// ReplyCode reads the line of a reply of three digits (RFC 5321, section 4.2;
// RFC 959, section 4.2). more reports whether the reply goes on in another
// line. It is not ok if the line is none.
func ReplyCode(line []byte) (code int, more, ok bool) {
	if len(line) < 3 {
		return 0, false, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false, false
		}
		code = code*10 + int(c-'0')
	}
	if len(line) == 3 {
		return code, false, true
	}
	return code, line[3] == '-', line[3] == '-' || line[3] == ' '
}

// CodeKind is the kind of a failure for which the line of a reply is the
// reason.
func CodeKind(line []byte) failure.Kind {
	if _, _, ok := ReplyCode(line); ok {
		return failure.Status
	}
	return failure.Protocol
}

// LoginKind is the kind of a login that was refused. A server may say that it is
// not about the login (RFC 3206, RFC 5530).
func LoginKind(line []byte) failure.Kind {
	for _, code := range []string{"[SYS/", "[IN-USE]", "[UNAVAILABLE]", "[SERVERBUG]"} {
		if bytes.Contains(line, []byte(code)) {
			return failure.Status
		}
	}
	return failure.Auth
}

// HasPrefix reports whether line begins with a word, in any case.
func HasPrefix(line []byte, word string) bool {
	return len(line) >= len(word) && bytes.EqualFold(line[:len(word)], []byte(word))
}
