package config

import (
	"fmt"
	"net/netip"
	"strconv"
)

// readNetmask reads what persistence takes clients together by.
func readNetmask(f *field, six bool) (bits int, ok bool) {
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

var netmask = value{
	kind: "netmask; prefix length for IPv6",
	set: func(f *field, t target) (ok bool) {
		t.v.PersistentBits, ok = readNetmask(f, t.six)
		return ok
	},
	get: func(t target) []string {
		switch bits := t.v.PersistentBits; {
		case bits == fullBits(t.six):
			return nil
		case t.six:
			return []string{strconv.Itoa(bits)}
		default:
			return []string{mask4(bits).String()}
		}
	},
}

func fullBits(six bool) int {
	if six {
		return 128
	}
	return 32
}
