package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
)

// A head is the value of a virtual line.
type head struct {
	mark uint32 // 0: an address
	addr netip.Addr
	endpoint
}

// hostChars may stand in the name of a virtual or fallback host beside
// letters and digits.
const hostChars = "._+-"

// head reads the value of a virtual line.
func (n *names) head(f *field, six bool) (h head, ok bool) {
	f.cut(never)
	word, _, more := strings.Cut(strings.ReplaceAll(f.val, "\t", " "), " ")
	if digitsLen(word) == len(word) && word != "" {
		h.mark, ok = markOf(f, word)
	} else {
		h, ok = n.service(f, word, six)
	}
	if ok && more {
		f.warn(f.valAt+len(word), "text behind the address is ignored", "remove it")
	}
	return h, ok
}

func markOf(f *field, digits string) (uint32, bool) {
	m, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || m == 0 {
		return 0, f.fail(f.valAt, fmt.Sprintf("%s is no firewall mark", digits), "marks are 1 to 4294967295")
	}
	return uint32(m), true
}

func (n *names) service(f *field, word string, six bool) (h head, ok bool) {
	e, rest := takeEndpoint(word, f.valAt, hostChars)
	switch {
	case word == "":
		return h, f.fail(f.valAt, fmt.Sprintf("`%s` is empty", f.key), "write ADDRESS:PORT or a firewall mark")
	case e.six && !six:
		return h, f.fail(f.valAt, "an IPv6 address needs `virtual6`", "write virtual6="+word)
	case strings.Contains(word, "://"):
		_, bare, _ := strings.Cut(word, "://")
		return h, f.fail(f.valAt, fmt.Sprintf("`%s` is no ADDRESS:PORT", word), fmt.Sprintf("write the address alone: %s=%s", f.key, strings.TrimRight(bare, "/")))
	case !e.six && strings.Count(word, ":") > 1:
		return h, f.fail(f.valAt, fmt.Sprintf("`%s` is no ADDRESS:PORT", word), "an IPv6 address is written virtual6="+bracketed(word))
	case e.port == "" && rest == "":
		return h, f.fail(f.valAt+len(word), fmt.Sprintf("`%s` has no port", word), portHint(f, word))
	case e.host == "" || e.port == "" || rest != "":
		return h, f.fail(f.valAt, fmt.Sprintf("`%s` is no ADDRESS:PORT", word), "write ADDRESS:PORT or a firewall mark")
	}
	h.endpoint = e
	h.addr, ok = n.addr(f, e, six)
	return h, ok
}

// bracketed returns an IPv6 address that lacks its brackets, as it was meant: the
// part behind its last colon is taken for the port.
func bracketed(word string) string {
	if i := strings.LastIndexByte(word, ':'); i > 0 {
		if a, err := netip.ParseAddr(word[:i]); err == nil && a.Is6() {
			return fmt.Sprintf("[%s]%s", a, word[i:])
		}
	}
	if a, err := netip.ParseAddr(word); err == nil && a.Is6() {
		return fmt.Sprintf("[%s]:PORT", a)
	}
	return "[ADDRESS]:PORT"
}

func portHint(f *field, word string) string {
	hint := fmt.Sprintf("write %s=%s:PORT", f.key, word)
	if d := digitsLen(word); d > 0 {
		hint += "; ldirectord takes this for firewall mark " + word[:d]
	}
	return hint
}

// defaultProtocol returns the protocol of a service without `protocol`.
func (h *head) defaultProtocol() dataplane.Protocol {
	switch {
	case h.mark != 0:
		return dataplane.FWMark
	case h.port == "53" || h.port == "domain":
		return dataplane.UDP
	}
	return dataplane.TCP
}

// id returns the identity of the service, whose port may be a name that depends
// on the protocol.
func (n *names) id(f *field, h *head, six bool, proto dataplane.Protocol) (id dataplane.ServiceID, ok bool) {
	if h.mark != 0 {
		return dataplane.ServiceID{Protocol: dataplane.FWMark, Mark: h.mark, IPv6: six}, true
	}
	port, ok := n.number(f, h.endpoint, proto)
	return dataplane.ServiceID{Protocol: proto, Addr: netip.AddrPortFrom(h.addr, port)}, ok
}
