package keepalived

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A check is what a checker does, in shunt's words.
type check struct {
	from    *node
	kind    string // a service, or connect, ping or external
	port    string
	request string
	receive string
	status  string // list of statuses, "" the usual
	host    string
	command string
	weight  bool // the exit status of command is a weight
	timing  timing
}

// A timing is how often and how long a check tries, in keepalived's words.
type timing struct{ retry, pause, timeout, interval string }

// same identifies checks that are equal.
func (c check) same() string {
	c.from = nil
	return fmt.Sprintf("%+v", c)
}

var checkers = []string{
	"HTTP_GET", "SSL_GET", "TCP_CHECK", "SMTP_CHECK", "DNS_CHECK", "MISC_CHECK", "BFD_CHECK", "UDP_CHECK", "PING_CHECK", "FILE_CHECK",
}

func isChecker(name string) bool { return slices.Contains(checkers, name) }

// checks converts one checker. Several pages of an HTTP checker are several checks.
func (s *service) checks(r *real, n *node) []check {
	c := check{from: n, timing: s.timing(r, n)}
	if n.name() != "MISC_CHECK" {
		c.port = value(n, "connect_port")
	}
	if host := r.own["virtualhost"]; host != nil {
		c.host = host.arg(0)
	}
	s.loseOptions(n)
	switch n.name() {
	case "HTTP_GET", "SSL_GET":
		c.kind = map[string]string{"HTTP_GET": "http", "SSL_GET": "https"}[n.name()]
		return s.pages(c, n)
	case "TCP_CHECK":
		c.kind, c.host = "connect", ""
	case "PING_CHECK":
		c.kind, c.host, c.port = "ping", "", ""
	case "SMTP_CHECK":
		c.kind, c.host = "smtp", ""
	case "MISC_CHECK":
		return s.script(c, n)
	case "DNS_CHECK":
		return s.dns(c, n)
	case "UDP_CHECK":
		return s.datagram(c, n)
	default:
		s.out.lose(n, "shunt has no such check")
		return nil
	}
	return []check{c}
}

// known are the options of checkers that are converted, or mean nothing to shunt.
var known = []string{
	"connect_port", "retry", "nb_get_retry", "delay_before_retry", "connect_timeout", "delay_loop", "url", "virtualhost", "enable_sni",
	"misc_path", "misc_timeout", "misc_dynamic", "name", "type", "payload", "require_reply", "fast_recovery", "log_all_failures", "alpha", "http_protocol",
}

// loseOptions tells of the options of a checker that are not converted.
func (s *service) loseOptions(n *node) {
	for _, o := range n.block {
		switch {
		case o.why != "":
			s.out.lose(o, o.why)
		case o.name() == "warmup":
			s.out.lose(o, ownPlaces)
		case !slices.Contains(known, o.name()):
			s.out.lose(o, "shunt has nothing like it")
		}
	}
}

// value returns the first word of an option of a block, "" without it.
func value(n *node, name string) string {
	if o := option(n, name); o != nil {
		return o.arg(0)
	}
	return ""
}

func option(n *node, name string) *node {
	for _, o := range n.block {
		if o.name() == name && o.why == "" {
			return o
		}
	}
	return nil
}

// timing returns how a checker tries: by its own lines, by those of the real server or
// by those of the virtual server, else as keepalived does.
func (s *service) timing(r *real, n *node) timing {
	get := func(def string, names ...string) string {
		for _, name := range names {
			if o := option(n, name); o != nil {
				return o.arg(0)
			}
			if o := r.own[name]; o != nil {
				return o.arg(0)
			}
		}
		return def
	}
	t := timing{interval: get("60", "delay_loop"), retry: get("1", "retry", "nb_get_retry"), timeout: get("5", "connect_timeout"), pause: get("1", "delay_before_retry")}
	switch n.name() {
	case "HTTP_GET", "SSL_GET":
		t.pause = get("3", "delay_before_retry")
	case "DNS_CHECK":
		t.retry, t.pause = get("3", "retry"), get(t.interval, "delay_before_retry")
	case "MISC_CHECK":
		t.retry = get("0", "retry")
		t.timeout = cmp.Or(value(n, "misc_timeout"), t.interval)
	}
	return t
}

func (s *service) pages(c check, n *node) (all []check) {
	c.host = cmp.Or(value(n, "virtualhost"), c.host)
	for _, u := range n.block {
		if u.name() == "url" && u.why == "" {
			all = append(all, s.page(c, u))
		}
	}
	if len(all) == 0 {
		all = append(all, c)
	}
	return all
}

// page converts a url block.
func (s *service) page(c check, u *node) check {
	c.request = "/"
	for _, o := range u.block {
		if o.why != "" {
			s.out.lose(o, o.why)
			continue
		}
		switch o.name() {
		case "path":
			c.request = o.arg(0)
		case "status_code":
			c.status = strings.Join(o.words[1:], ",")
		case "virtualhost":
			c.host = o.arg(0)
		case "regex":
			c.receive = o.arg(0)
		case "regex_options":
			if o.rest() != "caseless" {
				s.out.lose(o, "write them into the pattern: receive=\"(?s)...\"")
			}
		case "digest":
			s.out.lose(o, "shunt compares SHA-256: bodydigest=sha256:... with what `sha256sum` says of the page")
		case "regex_no_match":
			s.out.lose(o, "a pattern that must not match is none: look for what the page has when all is well")
		default:
			s.out.lose(o, "shunt has nothing like it")
		}
	}
	if option(u, "regex_no_match") != nil {
		c.receive = ""
	}
	if o := option(u, "regex_options"); o != nil && o.rest() == "caseless" && c.receive != "" {
		c.receive = "(?i)" + c.receive
	}
	return c
}

func (s *service) script(c check, n *node) []check {
	c.kind, c.host = "external", ""
	path := option(n, "misc_path")
	if path == nil {
		s.out.lose(n, "it names no program")
		return nil
	}
	program, args, _ := strings.Cut(strings.TrimSpace(path.rest()), " ")
	c.command = program
	if args = strings.TrimSpace(args); args != "" {
		s.out.loseText(path, "the arguments "+args, "shunt starts PROGRAM VIRTUAL PORT REAL PORT: write a script that has them")
	}
	if o := option(n, "misc_dynamic"); o != nil {
		c.weight = true
	}
	return []check{c}
}

func (s *service) dns(c check, n *node) []check {
	c.kind, c.host, c.receive = "dns", "", "."
	if kind := value(n, "type"); kind != "A" {
		s.out.loseText(n, "DNS_CHECK of type "+cmp.Or(kind, "SOA"), "shunt asks for addresses: write a request with a name that has one, and what to receive")
		return nil
	}
	c.request = strings.TrimSuffix(value(n, "name"), ".")
	return []check{c}
}

func (s *service) datagram(c check, n *node) []check {
	payload := option(n, "payload")
	if payload == nil || option(n, "require_reply") == nil {
		s.out.lose(n, "shunt sends a payload of yours, and wants a reply")
		return nil
	}
	if reply := option(n, "require_reply"); len(reply.words) > 1 {
		s.out.lose(reply, "any reply is good: write what it has to be as a pattern, receive=\"^\\xff\"")
	}
	c.kind, c.host = "udp", ""
	c.request = payload.rest()
	return []check{c}
}

// check writes the checks that most real servers have.
func (s *service) check() {
	of := func(r real) string {
		var all []string
		for _, c := range r.checks {
			all = append(all, c.same())
		}
		return strings.Join(all, "\n")
	}
	best := s.most(s.reals, "checks", of, "all real servers of a service are checked in the same way")
	i := slices.IndexFunc(s.reals, func(r real) bool { return of(r) == best })
	if i < 0 {
		return // there are none
	}
	all := s.reals[i].checks
	if len(all) == 0 {
		s.unchecked(s.reals[i])
		return
	}
	s.ordinary(all[0])
	for _, c := range all[1:] {
		s.further(c, all[0])
	}
}

// unchecked writes what is left where no check is. A server that had one is pinged.
func (s *service) unchecked(r real) {
	for _, o := range r.block {
		if isChecker(o.name()) {
			s.out.plain("checktype", "ping")
			s.out.loseText(o, o.name(), "nothing but a ping is left")
			return
		}
	}
	s.out.plain("checktype", "on") // keepalived takes such a server for well
}

// ordinary writes the first check, and how all of them try.
func (s *service) ordinary(c check) {
	n := c.from
	switch c.kind {
	case "connect", "ping", "external":
		s.out.set(n, "checktype", c.kind)
	default:
		s.out.set(n, "checktype", "negotiate")
		s.out.set(n, "service", c.kind)
	}
	for _, line := range []struct{ key, value string }{
		{"checkport", c.port}, {"request", c.request}, {"receive", c.receive}, {"virtualhost", c.host}, {"checkcommand", c.command}, {"receivestatus", c.status},
	} {
		if line.value == "" {
			continue
		}
		if slices.Contains([]string{"request", "receive", "virtualhost", "checkcommand"}, line.key) {
			line.value = quoted(line.value)
		}
		s.out.set(n, line.key, line.value)
	}
	if c.weight {
		s.out.set(n, "checkcommandweight", "yes")
	}
	s.out.set(n, "checkinterval", s.seconds(n, "delay_loop", c.timing.interval))
	s.out.set(n, "checktimeout", s.seconds(n, "connect_timeout", c.timing.timeout))
	retry, err := strconv.Atoi(c.timing.retry)
	if err != nil || retry < 0 || retry >= math.MaxInt32 {
		s.out.loseText(n, "retry "+c.timing.retry, "it is no number")
		retry = 0
	}
	if retry > 0 {
		s.out.set(n, "failurecount", strconv.Itoa(retry+1))
		s.out.set(n, "fastinterval", s.fraction(n, "delay_before_retry", c.timing.pause))
	}
}

// further writes one more check.
func (s *service) further(c, first check) {
	words := []string{c.kind}
	for _, o := range []struct{ key, value string }{
		{"port", c.port}, {"request", c.request}, {"receive", c.receive}, {"command", c.command},
	} {
		if o.value != "" {
			words = append(words, o.key+"="+quoted(o.value))
		}
	}
	if c.host != first.host && c.host != "" {
		words = append(words, "virtualhost="+quoted(c.host))
	}
	if c.status != "" {
		s.out.loseText(c.from, "status_code "+c.status, "receivestatus is about the first check of a service")
	}
	if c.weight {
		s.out.loseText(c.from, "misc_dynamic", "checkcommandweight is about the first check of a service")
	}
	if c.timing != first.timing {
		s.out.loseText(c.from, fmt.Sprintf("the times of this check (every %s s, timeout %s s, %s retries after %s s)", c.timing.interval, c.timing.timeout, c.timing.retry, c.timing.pause),
			"all checks of a service keep those of the first one")
	}
	s.out.set(c.from, "check", strings.Join(words, " "))
}

// seconds returns a time in whole seconds, 1 at the least.
func (s *service) seconds(n *node, what, text string) string {
	t, err := strconv.ParseFloat(text, 64)
	if err != nil || !(t >= 0 && t <= 365*24*3600) {
		s.out.loseText(n, what+" "+text, "it is no time")
		return ""
	}
	whole := max(1, math.Ceil(t))
	if whole != t {
		s.out.loseText(n, what+" "+text, fmt.Sprintf("whole seconds alone: it is %.0f", whole))
	}
	return strconv.FormatFloat(whole, 'f', 0, 64)
}

// fraction returns a time that may be a part of a second, 10 ms at the least.
func (s *service) fraction(n *node, what, text string) string {
	t, err := strconv.ParseFloat(text, 64)
	if err != nil || !(t >= 0 && t <= 365*24*3600) {
		s.out.loseText(n, what+" "+text, "it is no time")
		return ""
	}
	if t >= 1 && t == math.Trunc(t) {
		return strconv.FormatFloat(t, 'f', 0, 64)
	}
	return strconv.FormatFloat(max(t, 0.01)*1000, 'f', 0, 64) + "ms"
}
