package config

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
)

// maxRange is how many real servers one line may stand for.
const maxRange = 1 << 16

// maxWeight is the largest weight of the kernel's table.
const maxWeight = 65535

var forwards = map[string]dataplane.Forward{"gate": dataplane.Gate, "masq": dataplane.Masq, "ipip": dataplane.IPIP}

// forwardWords are other names of the forwarding methods.
var forwardWords = map[string]string{
	"nat": "masq", "masquerade": "masq", "dr": "gate", "droute": "gate", "direct": "gate", "route": "gate",
	"gatewaying": "gate", "tun": "ipip", "tunnel": "ipip",
}

// real reads a real line and returns its real servers.
func (n *names) real(f *field, v *Virtual, six bool) []Real {
	f.cut(oddQuotes)
	first, last, rest, ok := n.servers(f, six)
	if !ok {
		return nil
	}
	model := Real{Weight: 1, Request: v.Request, Receive: v.Receive, MaxConn: uint32(v.MaxConn), Pos: f.pos(&f.stmt, f.keyAt)}
	if model.Forward, rest, ok = readForward(f, rest); !ok {
		return nil
	}
	if !readOptions(f, rest, &model) {
		return nil
	}
	port, ok := n.number(f, first.endpoint, 0)
	if !ok {
		return nil
	}
	return expandRange(f, model, first, last, port)
}

// A host is an endpoint with its address.
type host struct {
	endpoint
	addr netip.Addr
}

// servers reads ADDRESS[->ADDRESS][:PORT] and returns the text from the
// forwarding method on.
func (n *names) servers(f *field, six bool) (first, last host, rest string, ok bool) {
	first.endpoint, rest = takeHost(f.val, f.valAt, ".-")
	if first.host == "" {
		return first, last, rest, badServer(f, rest)
	}
	at := func() int { return f.valAt + len(f.val) - len(rest) }
	ranged := strings.HasPrefix(rest, "->")
	if ranged {
		last.endpoint, rest = takeHost(rest[2:], at()+2, ".-")
		if last.host == "" {
			return first, last, rest, f.fail(at(), "the address behind `->` is missing", "write FIRST->LAST without blanks")
		}
	}
	first.endpoint, rest = first.takePort(rest, at())
	if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return first, last, rest, badServer(f, rest)
	}
	first.addr, ok = n.addr(f, first.endpoint, six)
	if !ranged {
		return first, first, rest, ok
	}
	if six {
		return first, last, rest, ok && f.fail(f.valAt, "a range of IPv6 addresses", "write one line for each address")
	}
	var known bool
	last.addr, known = n.addr(f, last.endpoint, six)
	return first, last, rest, ok && known
}

// badServer reports what is wrong in place of an address.
func badServer(f *field, rest string) bool {
	at := f.valAt + len(f.val) - len(rest)
	hint := "write ADDRESS:PORT gate|masq|ipip [WEIGHT]"
	if f.val == "" {
		return f.fail(at, fmt.Sprintf("`%s` is empty", f.key), hint)
	}
	word := firstWord(f.val)
	switch meant := bracketed(word); {
	case strings.HasPrefix(rest, "://"):
		hint = "write the address alone, without http://"
	case meant != "[ADDRESS]:PORT":
		hint = fmt.Sprintf("an IPv6 address is written real6=%s", meant)
	case strings.HasPrefix(rest, "::"):
		hint = "one colon stands between address and port"
	case strings.HasPrefix(rest, "_"):
		hint = "a host name has no underscore"
	case strings.HasPrefix(rest, ":"):
		hint = "the port behind the colon is missing"
	}
	return f.fail(at, fmt.Sprintf("`%s` is no real server", word), hint)
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i]
	}
	return s
}

// readForward reads the forwarding method at the start of rest.
func readForward(f *field, rest string) (dataplane.Forward, string, bool) {
	rest = strings.TrimLeft(rest, " \t")
	at := f.valAt + len(f.val) - len(rest)
	word := firstWord(rest)
	m, ok := forwards[word]
	if ok {
		return m, rest[len(word):], true
	}
	if word == "" {
		return 0, "", f.fail(at, "the forwarding method is missing", "write gate, masq or ipip behind the address")
	}
	if strings.HasPrefix(word, "->") {
		return 0, "", f.fail(at, "a blank stands before `->`", "write FIRST->LAST without blanks")
	}
	hint := "write gate, masq or ipip"
	if meant, known := forwardWords[strings.ToLower(word)]; known {
		hint = fmt.Sprintf("did you mean `%s`?", meant)
	} else if _, known := forwards[strings.ToLower(word)]; known {
		hint = "write it in lower case"
	}
	return 0, "", f.fail(at, fmt.Sprintf("`%s` is no forwarding method", word), hint)
}

// expandRange makes a real server of each address from first to last.
func expandRange(f *field, model Real, first, last host, port uint16) []Real {
	if first.addr == last.addr {
		model.Name, model.Addr = first.host, netip.AddrPortFrom(first.addr, port)
		return []Real{model}
	}
	from, to := number4(first.addr), number4(last.addr)
	refuse := f.fail
	if first.named() || last.named() { // the text is not at fault
		refuse = f.wait
	}
	if to < from {
		refuse(first.hostAt, fmt.Sprintf("the range %s->%s ends before it begins", first.addr, last.addr), "write the lower address first")
		return nil
	}
	if to-from >= maxRange {
		refuse(first.hostAt, fmt.Sprintf("the range has %d addresses", uint64(to-from)+1), fmt.Sprintf("the most is %d", maxRange))
		return nil
	}
	reals := make([]Real, 0, to-from+1)
	for i := range to - from + 1 {
		addr := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, from+i)))
		model.Name, model.Addr = addr.String(), netip.AddrPortFrom(addr, port)
		reals = append(reals, model)
	}
	return reals
}

func number4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}
