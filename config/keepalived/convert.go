// Package keepalived turns the virtual servers of a keepalived.conf into an
// ldirectord.cf, and names all that is lost on the way.
//
// It goes by keepalived.conf(5) of version 2.2.7. Parameters, conditional lines and
// included files are losses: a file for keepalived alone has them.
package keepalived

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A Result is a configuration in shunt's language.
type Result struct {
	// Text is an ldirectord.cf that has no errors. Each loss is a comment above its
	// place that begins with LOST.
	Text []byte
	// Losses are what the text lacks, in the order of the lines.
	Losses []Loss
	// Notes are what was left out because it is none of a director's business.
	Notes []Loss
	// Services and Reals are how many there are in the text.
	Services, Reals int
}

// A Loss is something of the file that the result has not, or has in another way.
type Loss struct {
	File      string
	Line      int
	What, Why string
}

// String returns "FILE:LINE: lost: WHAT (WHY)".
func (l Loss) String() string {
	return fmt.Sprintf("%s:%d: lost: %s (%s)", l.File, l.Line, l.What, l.Why)
}

// A converter goes through a file once.
type converter struct {
	file   string
	groups map[string]*node
	out    output
}

// Convert converts the text of a file with that name. It reads no other file. ctx
// bounds the reading of the result.
func Convert(ctx context.Context, name, text string) Result {
	c := &converter{file: name, groups: map[string]*node{}, out: output{file: name}}
	r := parse(text)
	c.out.header()
	for _, n := range r.root.block {
		if n.name() == "virtual_server_group" && n.why == "" {
			c.groups[n.arg(0)] = n
		}
	}
	for _, n := range r.root.block {
		c.top(n)
	}
	c.unfinished(r)
	return c.out.result(ctx)
}

// unfinished tells what is wrong with the braces.
func (c *converter) unfinished(r *reader) {
	switch {
	case r.full:
		c.out.lose(&node{line: 1, words: []string{"the rest of the file"}}, "it has too many lines")
	case r.strayed > 0:
		c.out.lose(&node{line: r.strayed, words: []string{"}"}}, "it closes nothing")
	case r.depth > 0:
		c.out.lose(&node{line: r.stack[len(r.stack)-1].line, words: []string{"{"}}, "it is not closed")
	}
}

// top converts one block of the highest level.
func (c *converter) top(n *node) {
	switch name := n.name(); {
	case n.why != "":
		c.out.lose(n, n.why)
	case name == "virtual_server":
		c.virtual(n)
	case name == "virtual_server_group":
	case name == "global_defs":
		c.globals(n)
	case strings.HasPrefix(name, "include"):
		c.out.lose(n, "one file at a time: convert that one, too, and include the result")
	case name == "SSL":
		c.out.lose(n, "write clientcert, clientkey and verify into the sections that need them")
	case strings.HasPrefix(name, "vrrp") || strings.HasPrefix(name, "static_") || strings.HasPrefix(name, "track_") ||
		strings.HasPrefix(name, "bfd") || name == "garp_group" || name == "interface_up_down_delays" || name == "linkbeat_interfaces":
		c.out.note(n, "keepalived goes on with it: shunt moves no addresses between directors")
	default:
		c.out.lose(n, "shunt has nothing like it")
	}
}

// globals converts what checkers have of global_defs.
func (c *converter) globals(block *node) {
	for _, n := range block.block {
		switch name := n.name(); {
		case n.why != "":
			c.out.lose(n, n.why)
		case name == "notification_email":
			var people []string
			for _, line := range n.block {
				people = append(people, line.words...)
			}
			if len(people) > 0 {
				c.out.set(n, "emailalert", quoted(strings.Join(people, ", ")))
			}
		case name == "notification_email_from":
			c.out.set(n, "emailalertfrom", n.arg(0))
		case name == "smtp_server":
			if port := n.arg(1); port != "" && port != "25" {
				c.out.set(n, "smtp", n.arg(0)+":"+port)
				continue
			}
			c.out.set(n, "smtp", n.arg(0))
		case strings.HasPrefix(name, "checker_log_all") || strings.HasPrefix(name, "smtp_") || strings.HasPrefix(name, "checker_") || strings.HasPrefix(name, "lvs_"):
			c.out.lose(n, "shunt has nothing like it")
		default:
			c.out.note(n, "it is about keepalived itself, or about its VRRP")
		}
	}
}

// An endpoint is one virtual service.
type endpoint struct {
	addr netip.Addr // not valid for a firewall mark
	port uint16
	mark uint32
	six  bool
	from *node
}

func (e endpoint) line() (key, value string) {
	key = "virtual"
	if e.six {
		key = "virtual6"
	}
	if !e.addr.IsValid() {
		return key, strconv.FormatUint(uint64(e.mark), 10)
	}
	return key, netip.AddrPortFrom(e.addr, e.port).String()
}

// maxGroup is how many services a group has at most.
const maxGroup = 256

// endpoints returns the services of a virtual_server line.
func (c *converter) endpoints(n *node) []endpoint {
	six := false
	for _, o := range n.block {
		six = six || o.name() == "ip_family" && o.arg(0) == "inet6"
	}
	if n.arg(0) != "group" {
		return c.endpoint(n, n.words[1:], six)
	}
	group := c.groups[n.arg(1)]
	if group == nil {
		c.out.lose(n, "there is no such group")
		return nil
	}
	var all []endpoint
	for _, line := range group.block {
		if line.why != "" {
			c.out.lose(line, line.why)
			continue
		}
		if all = append(all, c.endpoint(line, line.words, six)...); len(all) > maxGroup {
			c.out.lose(n, fmt.Sprintf("the group has more than %d services", maxGroup))
			return nil
		}
	}
	return all
}

func (c *converter) endpoint(from *node, words []string, six bool) []endpoint {
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	if word(0) == "fwmark" {
		mark, err := strconv.ParseUint(word(1), 10, 32)
		if err != nil || mark == 0 {
			c.out.lose(from, "it is no firewall mark")
			return nil
		}
		return []endpoint{{mark: uint32(mark), six: six || word(2) == "inet6", from: from}}
	}
	port, err := portOf(word(1))
	addrs, ok := addresses(word(0))
	if err != nil || !ok {
		c.out.lose(from, "it is no address with a port")
		return nil
	}
	var all []endpoint
	for _, a := range addrs {
		all = append(all, endpoint{addr: a, port: port, six: a.Is6(), from: from})
	}
	return all
}

// portOf reads a port, 0 for none.
func portOf(word string) (uint16, error) {
	if word == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(word, 10, 16)
	return uint16(n), err
}

// addresses reads an address, a range FIRST-LAST where LAST may be the last part
// alone, or a prefix. ok is false if there are more than maxGroup.
func addresses(word string) (all []netip.Addr, ok bool) {
	first, last, isRange := strings.Cut(word, "-")
	if p, err := netip.ParsePrefix(word); err == nil {
		for a := p.Masked().Addr(); p.Contains(a) && len(all) <= maxGroup; a = a.Next() {
			all = append(all, a.Unmap())
		}
		return all, len(all) <= maxGroup
	}
	a, err := netip.ParseAddr(first)
	if err != nil || a.Zone() != "" {
		return nil, false
	}
	end := a
	if isRange {
		if !strings.ContainsAny(last, ".:") {
			last = first[:strings.LastIndexAny(first, ".:")+1] + last
		}
		if end, err = netip.ParseAddr(last); err != nil || end.Is4() != a.Is4() || end.Less(a) {
			return nil, false
		}
	}
	for ; a.Compare(end) <= 0 && a.IsValid() && len(all) <= maxGroup; a = a.Next() {
		all = append(all, a)
	}
	return all, len(all) <= maxGroup
}

// virtual converts a virtual_server.
func (c *converter) virtual(n *node) {
	if len(n.words) < 2 {
		c.out.lose(n, "it has no address")
		return
	}
	for _, o := range n.block {
		if o.name() == "protocol" && strings.EqualFold(o.arg(0), "SCTP") {
			c.out.lose(n, "shunt forwards TCP and UDP, and no SCTP")
			return
		}
	}
	for i, e := range c.endpoints(n) {
		c.out.quiet = i > 0 // what the group loses it loses once
		c.section(n, e)
	}
	c.out.quiet = false
}

// section converts the body of a virtual_server for one of its services.
func (c *converter) section(n *node, e endpoint) {
	key, value := e.line()
	c.out.section(e.from, key, value)
	s := newService(c, e)
	for _, o := range n.block {
		s.option(o)
	}
	for _, o := range n.block {
		if o.name() == "real_server" && o.why == "" {
			s.realServer(o)
		}
	}
	s.finish(n)
	c.out.end()
}

func quoted(text string) string { return `"` + text + `"` }

// method returns the forwarding method of lvs_method or lb_kind.
func method(word string) (forward string, ok bool) {
	forward, ok = map[string]string{"": "masq", "NAT": "masq", "DR": "gate", "TUN": "ipip"}[strings.ToUpper(word)]
	return forward, ok
}

// text returns the address of a server as shunt writes it.
func (e endpoint) text() string {
	if e.port == 0 {
		if e.addr.Is6() {
			return "[" + e.addr.String() + "]"
		}
		return e.addr.String()
	}
	return netip.AddrPortFrom(e.addr, e.port).String()
}

// server reads the address and port of a real or sorry server.
func server(n *node) (e endpoint, ok bool) {
	a, err := netip.ParseAddr(n.arg(0))
	port, bad := portOf(n.arg(1))
	return endpoint{addr: a, port: port, six: a.Is6()}, cmp.Or(err, bad) == nil && a.Zone() == "" && !a.Is4In6()
}
