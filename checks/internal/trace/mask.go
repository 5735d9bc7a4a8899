package trace

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Masked is what stands in place of a secret.
const Masked = "***"

// maxHex is how many bytes of what is no text are shown.
const maxHex = 32

// secrets are what a trace does not show.
type secrets struct {
	login  string
	values []string
	// forms are the values as protocols write them, longest first.
	forms []string
}

func (s *secrets) add(login string, values []string) {
	if login != "" {
		s.login = login
	}
	for _, v := range values {
		if v == "" || slices.Contains(s.values, v) {
			continue
		}
		s.values = append(s.values, v)
		s.forms = append(s.forms, formsOf(v)...)
	}
	slices.SortFunc(s.forms, func(a, b string) int { return len(b) - len(a) })
	s.forms = slices.Compact(s.forms)
}

// formsOf returns how v may be written. Base64 is found by decoding.
func formsOf(v string) []string {
	quoted, _ := json.Marshal(v) // of a string, which cannot fail
	return []string{
		v, url.QueryEscape(v), url.PathEscape(v), strings.Trim(string(quoted), `"`),
		strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v), strings.ReplaceAll(v, "'", "''"),
		hex.EncodeToString([]byte(v)), strings.ToUpper(hex.EncodeToString([]byte(v))),
	}
}

// show returns bytes that were sent or received, masked. What is no text is
// described: a binary protocol may have a password's hash anywhere, so that
// nothing that is sent is shown where there is a password.
func (s *secrets) show(b []byte, sent, cut bool) string {
	if isText(b) {
		return s.mask(string(b), sent, cut)
	}
	if len(s.values) > 0 {
		return "binary"
	}
	shown := fmt.Sprintf("binary %x", b[:min(len(b), maxHex)])
	if len(b) > maxHex {
		shown += "..."
	}
	return shown
}

// isText reports whether b is something to read: most of it is, and there is
// no NUL.
func isText(b []byte) bool {
	bad := 0
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		i += size
		switch {
		case r == 0:
			return false
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t' && r != '\r' && r != '\n':
			bad++
		}
	}
	return bad*3 <= len(b)
}

// credentials are parts of what a client sends that are secret whatever they
// are: lines of POP, FTP, IMAP, SMTP and headers of HTTP and SIP.
var credentials = regexp.MustCompile(`(?im)^(PASS |APOP \S+ |AUTH(?:ENTICATE)? [\w-]+ |(?:Proxy-)?Authorization:[ \t]*|Cookie:[ \t]*|AUTHINFO PASS |\S+ LOGIN \S+ |\S+ AUTHENTICATE \S+ )[^\r\n]+`)

// encoded is what may be base64.
var encoded = regexp.MustCompile(`[A-Za-z0-9+/_-]{4,}={0,2}`)

// digest is what follows the name of the user in an answer to a challenge
// (RFC 2195).
var digest = regexp.MustCompile(`^ [0-9a-fA-F]{32,128}$`)

// mask hides secrets in text. cut text may end in the middle of one.
func (s *secrets) mask(text string, sent, cut bool) string {
	if sent {
		text = credentials.ReplaceAllString(text, "${1}"+Masked)
	}
	if len(s.values) == 0 {
		return text
	}
	text = encoded.ReplaceAllStringFunc(text, s.maskBase64)
	for _, f := range s.forms {
		text = strings.ReplaceAll(text, f, Masked)
	}
	if cut {
		text = s.maskEnd(text)
	}
	return text
}

// maskBase64 hides a word that has a secret in it as base64.
func (s *secrets) maskBase64(word string) string {
	bare := strings.TrimRight(word, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// A word that is cut decodes as far as it goes.
		plain := make([]byte, enc.DecodedLen(len(bare)))
		n, err := enc.Decode(plain, []byte(bare))
		if err != nil && n == 0 {
			continue
		}
		if s.in(string(plain[:n])) {
			return Masked
		}
	}
	return word
}

func (s *secrets) in(plain string) bool {
	rest, found := strings.CutPrefix(plain, s.login)
	return found && digest.MatchString(rest) ||
		slices.ContainsFunc(s.values, func(v string) bool { return strings.Contains(plain, v) })
}

// maskEnd hides the beginning of a secret at the end of text.
func (s *secrets) maskEnd(text string) string {
	for _, f := range s.forms {
		for n := min(len(f)-1, len(text)); n > 0; n-- {
			if strings.HasSuffix(text, f[:n]) {
				return text[:len(text)-n] + Masked
			}
		}
	}
	return text
}
