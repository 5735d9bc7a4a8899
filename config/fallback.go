package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
)

// sorryWord stands for the built-in sorry server.
const sorryWord = "sorry"

// fallback reads HOST[:PORT] [METHOD], or `sorry`. A missing port is own.
func (n *names) fallback(f *field, proto dataplane.Protocol, own uint16) (*Fallback, bool) {
	f.straighten()
	f.comment(true)
	f.dequote()
	words := strings.Fields(f.val)
	fb := &Fallback{Pos: f.pos(&f.stmt, f.keyAt)}
	switch {
	case len(words) == 0:
		f.warn(f.valAt, "an empty fallback is 127.0.0.1", fmt.Sprintf("write %s=ADDRESS:PORT", f.key))
		words = []string{loopback(f.key == "fallback6")}
	case len(words) == 1 && words[0] == sorryWord:
		fb.Sorry = true
		return fb, true
	case len(words) == 2 && words[0] == sorryWord:
		return nil, f.fail(f.valAt+strings.LastIndex(f.val, words[1]), "a forwarding method behind `sorry`", "write sorry alone")
	case len(words) > 2:
		return nil, f.fail(f.valAt+strings.LastIndex(f.val, words[2]), fmt.Sprintf("`%s` is not understood", words[2]), "write ADDRESS:PORT [METHOD]; a fallback has no weight")
	}
	if len(words) == 2 {
		var ok bool
		if fb.Forward, _, ok = readForward(f, f.val[len(words[0]):]); !ok {
			return nil, false
		}
	}
	var ok bool
	if fb.Addr, ok = n.endpoint(f, words[0], proto, own); !ok {
		return nil, false
	}
	return fb, true
}

// dequote removes quotes around the whole value.
func (f *field) dequote() {
	if len(f.val) > 1 && f.val[0] == '"' && f.val[len(f.val)-1] == '"' {
		f.lenient(f.valAt, fmt.Sprintf("the value of `%s` stands in quotes", f.key), "write it without")
		f.val = strings.Trim(f.val, `" `+"\t")
		f.valAt++
	}
}

func loopback(six bool) string {
	if six {
		return "[::1]"
	}
	return "127.0.0.1"
}

func (n *names) endpoint(f *field, word string, proto dataplane.Protocol, own uint16) (a netip.AddrPort, ok bool) {
	six := f.key == "fallback6"
	e, rest := takeEndpoint(word, f.valAt, hostChars)
	if e.host == "" || rest != "" {
		return a, f.fail(f.valAt, fmt.Sprintf("`%s` is no ADDRESS:PORT", word), "")
	}
	addr, ok := n.addr(f, e, six)
	if !ok {
		return a, false
	}
	port, ok := n.number(f, e, proto)
	if port == 0 {
		port = own
	}
	return netip.AddrPortFrom(addr, port), ok
}

// command makes values that are a line for the shell. They keep their quotes
// outside of sections, where they are the shell's.
func command(at func(target) *string) value {
	return value{
		kind: "command, quotes optional",
		set: func(f *field, t target) (ok bool) {
			if f.global {
				*at(t), ok = f.raw()
			} else {
				*at(t), ok = f.quoted(true)
			}
			if ok {
				warnMissingProgram(f, *at(t))
			}
			return ok
		},
		get: func(t target) []string {
			if t.v == nil {
				return line(*at(t))
			}
			return line(inQuotes(*at(t)))
		},
	}
}

func getFallback(t target) []string {
	fb := t.s.Fallback
	if fb == nil || !fb.Sorry && fb.Addr.Addr().Is6() {
		return nil
	}
	return []string{fb.String()}
}

func getFallback6(t target) []string {
	fb := t.s.Fallback
	if t.v == nil {
		fb = t.g.Fallback6
	} else if fb != nil && fb.Sorry {
		return nil // fallback has it
	}
	if fb == nil || !fb.Sorry && fb.Addr.Addr().Is4() {
		return nil
	}
	return []string{fb.String()}
}

// OwnFallback reports whether the fallback of v is the virtual service itself.
func (v *Virtual) OwnFallback() bool {
	f := v.Fallback
	return f != nil && !f.Sorry && v.ID.Catches(v.mapped(f.Addr, f.Forward))
}

// String returns the fallback as in a file: "sorry", "127.0.0.1:80 gate", without
// a port where it has none.
func (fb *Fallback) String() string {
	if fb.Sorry {
		return sorryWord
	}
	return endpointText(fb.Addr) + " " + fb.Forward.String()
}
