package keepalived

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// settings are what a real server inherits from its virtual server, and a check from
// both: the words behind each of these names, absent where none gives it.
type settings map[string]*node

// inherited are the names of settings.
var inherited = []string{
	"lvs_method", "lb_kind", "weight", "inhibit_on_failure", "virtualhost",
	"alpha", "retry", "nb_get_retry", "delay_before_retry", "connect_timeout", "delay_loop",
}

// ownPlaces is why settings that spread checks are lost.
const ownPlaces = "checks have places of their own within the interval"

// A service is a virtual server while it is converted.
type service struct {
	*converter
	endpoint
	own   settings
	flags []string
	reals []real
	// sorry and sorryBy are the lines sorry_server and sorry_server_lvs_method.
	sorry, sorryBy *node
}

// A real is one real server.
type real struct {
	*node
	text    string // address and port
	forward string
	weight  string
	tail    string // thresholds
	own     settings
	checks  []check
}

func newService(c *converter, e endpoint) *service {
	return &service{converter: c, endpoint: e, own: settings{}}
}

// option converts one line of a virtual_server that is not about its real servers.
func (s *service) option(n *node) {
	if n.why != "" {
		s.out.lose(n, n.why)
		return
	}
	switch name := n.name(); name {
	case "real_server", "ip_family", "snmp_name", "smtp_alert":
	case "lvs_sched", "lb_algo":
		s.out.set(n, "scheduler", n.arg(0))
	case "protocol":
		if s.addr.IsValid() {
			s.out.set(n, "protocol", strings.ToLower(n.arg(0)))
		}
	case "persistence_timeout":
		s.out.set(n, "persistent", cmp.Or(n.arg(0), "360"))
	case "persistence_granularity":
		s.out.set(n, "netmask", n.arg(0))
	case "ops":
		s.out.set(n, "ops", "yes")
	case "sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3":
		s.flags = append(s.flags, name)
	case "quorum", "hysteresis":
		s.out.set(n, name, n.arg(0))
	case "quorum_up", "quorum_down":
		s.out.set(n, strings.ReplaceAll(name, "_", ""), quoted(n.arg(0)))
		s.scriptUser(n)
	case "sorry_server":
		s.sorry = n
	case "sorry_server_lvs_method":
		s.sorryBy = n
	case "warmup":
		s.out.lose(n, ownPlaces)
	case "omega":
		s.out.lose(n, "quorumdown is not run at a stop")
	case "ha_suspend":
		s.out.lose(n, "checks go on without the virtual address")
	case "sorry_server_inhibit":
		s.out.lose(n, "a fallback leaves when a real server returns")
	case "persistence_engine":
		s.out.lose(n, "persistence is by the client's address")
	default:
		s.inherit(n, s.own)
	}
}

// inherit keeps a line that real servers or checks take over.
func (s *service) inherit(n *node, own settings) {
	if !slices.Contains(inherited, n.name()) {
		s.out.lose(n, "shunt has nothing like it")
		return
	}
	own[n.name()] = n
}

// scriptUser tells of the user behind a script.
func (s *service) scriptUser(n *node) {
	if len(n.words) > 2 {
		s.out.loseText(n, "user "+strings.Join(n.words[2:], " "), "commands run as the user that shunt runs as")
	}
}

// fallback writes the sorry server.
func (s *service) fallback() {
	n := s.sorry
	if n == nil {
		return
	}
	e, ok := server(n)
	if !ok {
		s.out.lose(n, "it is no address with a port")
		return
	}
	forward, by := s.forward(s.own)
	if s.sorryBy != nil {
		forward, by = s.forward(settings{"lvs_method": s.sorryBy})
	}
	if forward == "" {
		s.out.lose(by, "it is no forwarding method")
		return
	}
	key := "fallback"
	if e.six {
		key = "fallback6"
	}
	s.out.set(n, key, e.text()+" "+forward)
}

// forward returns the forwarding method in force, and the line that says it.
func (s *service) forward(own settings) (string, *node) {
	n := own["lvs_method"]
	if n == nil {
		n = own["lb_kind"]
	}
	if n == nil {
		return "masq", nil // keepalived's default
	}
	forward, _ := method(n.arg(0))
	return forward, n
}

// realServer converts a real_server.
func (s *service) realServer(n *node) {
	e, ok := server(n)
	if !ok {
		s.out.lose(n, "it is no address with a port")
		return
	}
	r := real{node: n, text: e.text(), own: maps.Clone(s.own)}
	for _, o := range n.block {
		s.realOption(&r, o)
	}
	var by *node
	if r.forward, by = s.forward(r.own); r.forward == "" {
		s.out.lose(by, "it is no forwarding method")
		return
	}
	r.weight = "1"
	if w := r.own["weight"]; w != nil {
		r.weight = w.arg(0)
	}
	for _, o := range n.block {
		if o.why == "" && isChecker(o.name()) {
			r.checks = append(r.checks, s.checks(&r, o)...)
		}
	}
	s.reals = append(s.reals, r)
}

func (s *service) realOption(r *real, o *node) {
	if o.why != "" {
		s.out.lose(o, o.why)
		return
	}
	switch name := o.name(); {
	case name == "uthreshold":
		r.tail += " u:" + o.arg(0)
	case name == "lthreshold":
		r.tail += " l:" + o.arg(0)
	case name == "notify_up", name == "notify_down":
		s.out.lose(o, "`notify` runs one command for each change of any server, with the change in its environment")
	case name == "warmup":
		s.out.lose(o, ownPlaces)
	case name == "smtp_alert", name == "snmp_name", isChecker(name):
	default:
		s.inherit(o, r.own)
	}
}

// finish writes what is known when all of a virtual server has been read.
func (s *service) finish(n *node) {
	if s.scheduled(n) == nil {
		s.out.plain("scheduler", "wlc") // keepalived's default
	}
	if len(s.flags) > 0 {
		s.out.plain("schedflags", strings.Join(s.flags, ","))
	}
	s.fallback()
	s.initial()
	s.quiescent()
	s.tunnel()
	s.check()
	for _, r := range s.reals {
		key := "real"
		if strings.HasPrefix(r.text, "[") {
			key = "real6"
		}
		s.out.real(r.node, key, strings.TrimSpace(r.text+" "+r.forward+" "+r.weight+r.tail))
	}
}

func (s *service) scheduled(n *node) *node {
	for _, o := range n.block {
		if o.name() == "lvs_sched" || o.name() == "lb_algo" {
			return o
		}
	}
	return nil
}

// on reports whether a switch is on: by its name alone, or by a word.
func (own settings) on(name string) bool {
	n := own[name]
	return n != nil && !slices.Contains([]string{"off", "no", "false"}, n.arg(0))
}

// initial writes the state before the first check: up, unless alpha says otherwise.
func (s *service) initial() {
	down := s.most(s.reals, "alpha", func(r real) string { return strconv.FormatBool(r.own.on("alpha")) }, "a service has one initstate")
	if down == "true" {
		s.out.plain("initstate", "down")
	} else {
		s.out.plain("initstate", "up")
	}
}

func (s *service) quiescent() {
	if s.most(s.reals, "inhibit_on_failure", func(r real) string { return strconv.FormatBool(r.own.on("inhibit_on_failure")) }, "a service has one quiescent") == "true" {
		s.out.plain("quiescent", "yes")
	}
}

// most returns the value that most of some real servers have, the first of several, and
// tells of the others.
func (s *service) most(reals []real, what string, of func(real) string, why string) string {
	count := map[string]int{}
	best, most := "", 0
	for _, r := range reals {
		count[of(r)]++
	}
	for _, r := range reals {
		if v := of(r); count[v] > most {
			best, most = v, count[v]
		}
	}
	for _, r := range reals {
		if of(r) != best {
			s.out.loseText(r.node, fmt.Sprintf("%s of real server %s", what, r.text), why)
		}
	}
	return best
}

// tunnel writes the type of the tunnels.
func (s *service) tunnel() {
	words := func(r real) string {
		_, n := s.forward(r.own)
		if n == nil {
			return ""
		}
		return strings.Join(n.words[2:], " ")
	}
	var tunneled []real
	for _, r := range s.reals {
		if r.forward == "ipip" {
			tunneled = append(tunneled, r)
		}
	}
	text := s.most(tunneled, "type of the tunnel", words, "a service has one tunneltype")
	if text == "" {
		return
	}
	_, n := s.forward(tunneled[slices.IndexFunc(tunneled, func(r real) bool { return words(r) == text })].own)
	for w := strings.Fields(text); len(w) > 0; w = w[1:] {
		switch {
		case w[0] == "type" && len(w) > 1:
			s.out.set(n, "tunneltype", w[1])
			w = w[1:]
		case w[0] == "port" && len(w) > 1:
			s.out.set(n, "tunnelport", w[1])
			w = w[1:]
		case w[0] == "csum":
			s.out.set(n, "tunnelchecksum", "yes")
		case w[0] == "nocsum":
		default:
			s.out.loseText(n, w[0], "shunt has nothing like it")
		}
	}
}
