package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/internal/services"
)

// A checkOption is one NAME=VALUE of a line `check`.
type checkOption struct {
	name   string
	uses   services.Directives // of the service, 0: see reviewOption
	secret bool
	set    func(f *field, at int, c *Check, value string) bool
	get    func(c *Check) string
}

// checkOptions are in the order of output.
var checkOptions = []checkOption{
	{name: "port", set: setPort, get: func(c *Check) string {
		if c.Port == 0 {
			return ""
		}
		return strconv.Itoa(int(c.Port))
	}},
	textOption("request", services.Request, false, func(c *Check) *string { return &c.Request }),
	{name: "receive", uses: services.Receive, set: func(f *field, at int, c *Check, value string) (ok bool) {
		c.Receive, ok = readPattern(f, value, at)
		return ok
	}, get: func(c *Check) string { return patternText(c.Receive) }},
	textOption("virtualhost", services.VirtualHost, false, func(c *Check) *string { return &c.VirtualHost }),
	textOption("login", services.Login, false, func(c *Check) *string { return &c.Login }),
	textOption("passwd", services.Passwd, true, func(c *Check) *string { return &c.Passwd }),
	textOption("database", services.Database, false, func(c *Check) *string { return &c.Database }),
	textOption("secret", services.Secret, true, func(c *Check) *string { return &c.Secret }),
	textOption("command", 0, false, func(c *Check) *string { return &c.Command }),
	textOption("file", services.CheckFile, false, func(c *Check) *string { return &c.File }),
}

func textOption(name string, uses services.Directives, secret bool, to func(*Check) *string) checkOption {
	return checkOption{
		name: name, uses: uses, secret: secret, get: func(c *Check) string { return *to(c) },
		set: func(_ *field, _ int, c *Check, value string) bool {
			*to(c) = value
			return true
		},
	}
}

func setPort(f *field, at int, c *Check, value string) bool {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil || n == 0 {
		return f.fail(at, fmt.Sprintf("`%s` is no port", value), "write 1 to 65535")
	}
	c.Port = uint16(n)
	return true
}

// options reads NAME=VALUE NAME="VALUE" and so on.
func (f *field) options(c *Check, rest string) bool {
	given := map[string]bool{}
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return true
		}
		at := f.valAt + len(f.val) - len(rest)
		name, behind, found := strings.Cut(rest, "=")
		i := slices.IndexFunc(checkOptions, func(o checkOption) bool { return o.name == name })
		switch {
		case (!found || i < 0) && (given["passwd"] || given["secret"]): // it may be a part of them
			return f.fail(at, "text that is not understood", "a value with blanks stands in double quotes; behind it come "+optionNames())
		case !found || i < 0:
			name, _, _ = strings.Cut(firstWord(rest), "=")
			return f.fail(at, fmt.Sprintf("`%s` is not understood", name), "write "+optionNames()+", each with = and a value")
		case given[name]:
			return f.fail(at, fmt.Sprintf("`%s` stands twice", name), "remove one of them")
		}
		given[name] = true
		at += len(name) + 1
		value := firstWord(behind)
		rest = behind[len(value):]
		if strings.HasPrefix(behind, `"`) {
			end := strings.IndexByte(behind[1:], '"')
			if end < 0 {
				return f.fail(at, "no closing quote", "")
			}
			value, rest, at = behind[1:1+end], behind[end+2:], at+1
		}
		if value == "" {
			return f.fail(at, fmt.Sprintf("`%s` is empty", name), "leave it out")
		}
		if !checkOptions[i].set(f, at, c, value) {
			return false
		}
	}
}

func optionNames() string {
	names := make([]string, len(checkOptions))
	for i := range checkOptions {
		names[i] = checkOptions[i].name
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// reviewOptions refuses options that the check does not look at, and a check
// that lacks what it cannot do without.
func (f *field) reviewOptions(c *Check) bool {
	row, _ := services.Named(c.Service)
	if row.TLS != services.NoTLS {
		row.Uses |= services.VirtualHost
	}
	external, noPort := c.Type == CheckExternal, c.Type == CheckPing || c.Type == CheckExternal || row.Uses.Has(services.CheckFile)
	for i := range checkOptions {
		o := &checkOptions[i]
		used := o.uses != 0 && row.Uses.Has(o.uses) || o.name == "port" && !noPort || o.name == "command" && external
		if !used && o.get(c) != "" {
			return f.fail(f.valAt, fmt.Sprintf("a check by %s has no %s", c.word(), o.name), "remove it")
		}
	}
	lacks := func(name, hint string) bool {
		return f.fail(f.valAt, fmt.Sprintf("a check by %s needs %s: it always fails", c.word(), name), hint)
	}
	switch {
	case external && !strings.HasPrefix(c.Command, "/"):
		return lacks("a command", "add command=PATH, which begins with a slash")
	case row.Uses.Has(services.CheckFile) && !strings.HasPrefix(c.File, "/"):
		return lacks("a file", "add file=PATH, which begins with a slash")
	case row.Query && (c.Login == "" || c.Request == ""):
		return lacks("login and request", `add login="NAME" request="QUERY"`)
	case row.Search && (c.Receive == nil || c.Request == ""):
		return lacks("request and receive", "add both")
	case c.Type == CheckNegotiate && !noPort && row.Port == 0 && c.Port == 0:
		return lacks("a port", "add port=N: "+c.Service+" has no usual one")
	}
	if row.Datagram {
		if _, err := services.Payload(withSlash(c.Request)); err != nil {
			return f.fail(f.valAt, fmt.Sprintf("the request %q of a %s check: %v", c.Request, c.Service, err), `write hexadecimal digits, such as "ff ff 54", or "text:TEXT"`)
		}
	}
	return true
}

// maskedCheck returns the value of a line `check`, which may be wrong, without what
// may be secret in it: the values of options that are secret or not known, and text
// behind them that belongs to no option.
func maskedCheck(value string) string {
	var b strings.Builder
	secret := false
	rest := value
	for rest != "" {
		token := firstWord(rest)
		name, text, isOption := strings.Cut(token, "=")
		if isOption && strings.HasPrefix(text, `"`) {
			token = quotedToken(rest)
			_, text, _ = strings.Cut(token, "=")
		}
		i := slices.IndexFunc(checkOptions, func(o checkOption) bool { return o.name == name })
		switch {
		case isOption && (i < 0 || checkOptions[i].secret):
			secret = true
			b.WriteString(name + "=***")
		case !isOption && token != "" && secret:
			b.WriteString("***")
		case isOption:
			b.WriteString(name + "=" + withoutCredentials(text))
		default:
			b.WriteString(token)
		}
		rest = rest[len(token):]
		blanks := len(rest) - len(strings.TrimLeft(rest, " \t"))
		b.WriteString(rest[:blanks])
		rest = rest[blanks:]
	}
	return b.String()
}

// quotedToken returns the beginning of s to the end of its first value in quotes.
func quotedToken(s string) string {
	open := strings.IndexByte(s, '"')
	end := strings.IndexByte(s[open+1:], '"')
	if end < 0 {
		return s
	}
	return s[:open+1+end+1]
}

// withoutCredentials returns text with *** in place of the user and the password
// of URLs in it.
func withoutCredentials(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	return urlCredentials.ReplaceAllString(text, "://***@")
}

// urlCredentials are what stands before the host of a URL (RFC 3986 section 3.2.1).
var urlCredentials = regexp.MustCompile(`://[^/?#\s"]*@`)
