package config

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// A target is what a line is about: the globals, or one section.
type target struct {
	g   *Global
	s   *Settings
	v   *Virtual // nil outside of sections
	o   Origins
	six bool // the section is an IPv6 one
}

// A value connects a directive with the place its value is kept in.
type value struct {
	kind string
	// set reads the value of a line into its place, or reports an error and
	// returns false.
	set func(f *field, t target) bool
	// get returns the values in force as a file would write them, one for
	// each line, none where there is nothing to write.
	get func(t target) []string
}

// bind makes values of one kind: where they are kept remains to be said.
func bind[T any](kind string, read func(*field) (T, bool), write func(T) string) func(at func(target) *T) value {
	return func(at func(target) *T) value {
		return value{
			kind: kind,
			set: func(f *field, t target) bool {
				v, ok := read(f)
				if ok {
					*at(t) = v
				}
				return ok
			},
			get: func(t target) []string { return line(write(*at(t))) },
		}
	}
}

func line(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

var (
	seconds  = bind("seconds, 1 or more", secondsFrom(1, maxSeconds), writeSeconds)
	period   = bind("seconds, 0 or more", secondsFrom(0, maxSeconds), writeSeconds)
	attempts = bind("number, 1 or more", numberFrom(1, maxCount), strconv.Itoa)
	status   = bind("number, 200 to 599", numberFrom(200, 599), strconv.Itoa)
	yesNo    = bind("`yes` or `no`", (*field).yesNo, writeYesNo)
	text     = bind("text in double quotes", quoted, inQuotes)
	path     = bind("path, quotes optional", optionallyQuoted, inQuotes)
	rest     = bind("text to the end of the line", (*field).raw, asIs)
	states   = bind("`all`, `none`, or a list of `starting`, `running`, `stopping`, `reloading`", (*field).alertStates, AlertStates.String)
	people   = bind("addresses, separated by commas", (*field).addresses, writeAddresses)
	length   = bind("duration: `5`, `5s`, `250ms`, `1m`", durationFrom(minDuration), writeLength)
	wait     = bind("duration: `5`, `5s`, `250ms`, `1m`; 0 allowed", durationFrom(0), writeDuration)
	page     = bind("path of a file, or of a folder with an index.html", (*field).sorryPage, inQuotes)
	relay    = bind("host name or address", (*field).relay, asIs)
)

// minDuration keeps checks from running without a pause.
const minDuration = 10 * time.Millisecond

func secondsFrom(lo, hi int64) func(*field) (time.Duration, bool) {
	return func(f *field) (time.Duration, bool) {
		n, ok := f.number(lo, hi)
		return time.Duration(n) * time.Second, ok
	}
}

func numberFrom(lo, hi int64) func(*field) (int, bool) {
	return func(f *field) (int, bool) {
		n, ok := f.number(lo, hi)
		return int(n), ok
	}
}

func durationFrom(lo time.Duration) func(*field) (time.Duration, bool) {
	return func(f *field) (time.Duration, bool) { return f.duration(lo) }
}

func quoted(f *field) (string, bool) { return f.quoted(false) }

func optionallyQuoted(f *field) (string, bool) { return f.quoted(true) }

func writeSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

func writeDuration(d time.Duration) string {
	if d%time.Second == 0 {
		return writeSeconds(d)
	}
	return d.String()
}

// writeLength leaves 0 out, which is no length but none chosen.
func writeLength(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return writeDuration(d)
}

func writeYesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func inQuotes(s string) string {
	if s == "" {
		return ""
	}
	return `"` + s + `"`
}

func asIs(s string) string { return s }

// word makes values that are one of a few words, the empty one being unset.
func word(known ...string) func(at func(target) *string) value {
	return bind("`"+strings.Join(known, "`, `")+"`",
		func(f *field) (string, bool) { return f.oneOf(known, "-") }, asIs)
}

var alertWords = []struct {
	word  string
	state AlertStates
}{
	{"starting", AlertStarting},
	{"running", AlertRunning},
	{"stopping", AlertStopping},
	{"reloading", AlertReloading},
}

// String returns the states as emailalertstatus lists them: all, none, or
// words with commas.
func (a AlertStates) String() string {
	switch a & AlertAll {
	case 0:
		return "none"
	case AlertAll:
		return "all"
	}
	var words []string
	for _, w := range alertWords {
		if a&w.state != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

func (f *field) alertStates() (AlertStates, bool) {
	f.straighten()
	f.comment(true)
	f.dequote()
	if f.val == "" {
		f.warn(f.valAt, "an empty emailalertstatus is none", "write emailalertstatus=none")
		return 0, true
	}
	var all AlertStates
	words := strings.Split(f.val, ",")
	for _, w := range words {
		w = strings.TrimSpace(w)
		if w == "none" {
			if len(words) > 1 {
				return 0, f.fail(f.valAt, "`none` stands beside another state", "write none alone")
			}
			return 0, true
		}
		s, ok := alertState(w)
		if !ok {
			return 0, f.fail(f.valAt+strings.Index(f.val, w), fmt.Sprintf("`%s` is no emailalertstatus", w),
				choice(w, []string{"all", "none", "starting", "running", "stopping", "reloading"}))
		}
		all |= s
	}
	return all, true
}

func alertState(word string) (AlertStates, bool) {
	if word == "all" {
		return AlertAll, true
	}
	for _, w := range alertWords {
		if w.word == word {
			return w.state, true
		}
	}
	return 0, false
}

// addresses reads mail addresses. Quotes around the whole value go; a comma
// inside of other quotes separates nothing.
func (f *field) addresses() ([]string, bool) {
	f.straighten()
	open := never
	if strings.HasPrefix(f.val, `"`) {
		open = unclosed
	} else if f.global {
		open = unlessBlank
	}
	if f.cut(open) && f.global {
		f.foundComment(false)
	}
	v := f.val
	if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	if strings.Count(v, `"`)%2 != 0 {
		return nil, f.fail(f.valAt, "no closing quote", "")
	}
	if strings.Contains(v, "#") && !f.global {
		f.hashInQuotes(f.valAt + strings.Index(f.val, "#"))
	}
	v, ok := f.filled(strings.TrimSpace(v))
	if !ok {
		return nil, false
	}
	list := splitAddresses(v)
	if len(list) == 0 {
		return nil, f.fail(f.valAt, "`emailalert` is empty", "leave the line out")
	}
	return list, true
}

func splitAddresses(v string) []string {
	var list []string
	quoted, start := false, 0
	for i := range len(v) + 1 {
		switch {
		case i == len(v) || v[i] == ',' && !quoted:
			if a := strings.TrimSpace(v[start:i]); a != "" {
				list = append(list, a)
			}
			start = i + 1
		case v[i] == '"':
			quoted = !quoted
		}
	}
	return list
}

func writeAddresses(list []string) string { return inQuotes(strings.Join(list, ", ")) }

// relay reads the leading run of what a host name may consist of.
func (f *field) relay() (string, bool) {
	f.straighten()
	f.comment(false)
	f.dequote()
	e, behind := takeHost(f.val, f.valAt, hostChars)
	switch {
	case e.six || e.host == "":
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no host", f.val), "write a host name or an IPv4 address")
	case strings.HasPrefix(behind, ":"):
		f.warn(f.valAt+len(e.host), "the port is ignored", "mail goes to port 25")
	case behind != "":
		f.warn(f.valAt+len(e.host), "text behind the host is ignored", "remove it")
	}
	return e.host, true
}

// sorryPage reads the path of a page that exists.
func (f *field) sorryPage() (string, bool) {
	p, ok := f.quoted(true)
	if !ok {
		return "", false
	}
	name := p
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		name += "/index.html"
		info, err = os.Stat(name)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err == nil {
		err = readable(name)
	}
	if err != nil {
		return "", f.fail(f.valAt, fmt.Sprintf("the sorry page cannot be read: %v", err), "name a file, or a folder with an index.html")
	}
	return p, true
}

func readable(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	return file.Close()
}

// virtualHost reads a name that ends at the second quote.
func (f *field) virtualHost() (string, bool) {
	f.straighten()
	if !strings.HasPrefix(f.val, `"`) {
		f.cut(never)
		f.singles()
		if i := strings.IndexByte(f.val, '"'); i >= 0 {
			return "", f.fail(f.valAt+i, "a quote inside of the name", "")
		}
		return f.filled(f.val)
	}
	f.cut(unclosed)
	name, behind, closed := strings.Cut(f.val[1:], `"`)
	if !closed {
		return "", f.fail(f.valAt, "no closing quote", "")
	}
	if behind != "" {
		f.warn(f.valAt+len(name)+2, "text behind the closing quote is ignored", "put comments behind a #")
	}
	if i := strings.IndexByte(name, '#'); i >= 0 {
		f.hashInQuotes(f.valAt + 1 + i)
	}
	return f.filled(name)
}

// netmask reads what persistence takes clients together by.
func (f *field) netmask(six bool) (bits int, ok bool) {
	f.straighten()
	f.cut(never)
	if f.tail {
		f.lenient(f.valAt+len(f.val), "blanks behind the netmask", "remove them")
	}
	f.dequote()
	if six {
		n, err := strconv.Atoi(f.val)
		if err != nil || n < 1 || n > 128 || digitsLen(f.val) != len(f.val) {
			return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no netmask of an IPv6 service", f.val), "write a prefix length, 1 to 128")
		}
		return n, true
	}
	a, err := netip.ParseAddr(f.val)
	if err != nil || !a.Is4() {
		return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no netmask of an IPv4 service", f.val), "write it like 255.255.255.0")
	}
	for bits = 32; bits >= 0; bits-- {
		if mask4(bits) == a {
			return bits, true
		}
	}
	return 0, f.fail(f.valAt, fmt.Sprintf("`%s` is no netmask: its ones are not all in front", f.val), "write it like 255.255.255.0")
}

func mask4(bits int) netip.Addr {
	m := ^uint32(0) << (32 - bits)
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
}
