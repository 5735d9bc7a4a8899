package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/config/internal/netlist"
)

// Clients are a list of networks, the value of `allow`, `deny` and `trustedproxies`. It does not
// change: sections share inherited lists.
type Clients struct {
	// Prefixes are all of them, those of files included, without host bits.
	Prefixes []netip.Prefix
	// Written is the list as the configuration has it: prefixes, and @ with
	// the path of a file.
	Written []string
	// Missing: the file of one of them could not be read, and had not been before.
	Missing bool
}

// clients makes values that are lists of clients. word empties the list.
func clients(word string, at func(target) *Clients) value {
	return value{
		kind: "networks and addresses, separated by commas; `@/PATH` for a file of them; `" + word + "`",
		set: func(f *field, t target) bool {
			c := *at(t)
			if !t.o[f.key].set() {
				c = Clients{} // a section has its own list or inherits one
			}
			ok := readClients(f, word, &c)
			if ok {
				*at(t) = c
			}
			return ok
		},
		get: func(t target) []string { return []string{cmp.Or(strings.Join(at(t).Written, ", "), word)} },
	}
}

// readClients reads a line of a list and adds it to c.
func readClients(f *field, word string, c *Clients) (ok bool) {
	f.straighten()
	f.comment(false)
	if f.val == "" {
		return f.fail(f.valAt, fmt.Sprintf("`%s` is empty", f.key), "write "+word+", or leave the line out")
	}
	ok = true
	at := f.valAt
	for item := range strings.SplitSeq(f.val, ",") {
		w := strings.TrimLeft(item, " \t")
		start := at + len(item) - len(w)
		at += len(item) + 1
		ok = readClient(f, start, strings.TrimRight(w, " \t"), word, c) && ok
	}
	return ok
}

// readClient adds one item, which stands at the offset at.
func readClient(f *field, at int, item, word string, c *Clients) bool {
	switch item {
	case "":
		return f.fail(at, "nothing stands here", "remove the comma")
	case word:
		*c = Clients{}
		return true
	case "all", "none":
		return f.fail(at, fmt.Sprintf("`%s` cannot be %s", f.key, item), "to serve some clients alone, write `allow` with their networks: all others are turned away")
	}
	more, ok := []netip.Prefix(nil), true
	path, isFile := strings.CutPrefix(item, "@")
	if isFile {
		var l listing
		l, ok = clientFile(f, at, path)
		more, c.Missing = l.prefixes, c.Missing || l.missing
	} else if p, wrong, remark := netlist.Parse(item); wrong != "" {
		return f.fail(at, wrong, "write a network such as 192.0.2.0/24 or 2001:db8::/32, an address, @/PATH, or "+word)
	} else {
		if remark != "" {
			f.warn(at, remark, "write "+p.String())
		}
		more, item = []netip.Prefix{p}, p.String()
	}
	if ok {
		ok = hasRoom(f, at, len(more), isFile, c)
	}
	if ok {
		c.add(item, more)
	}
	return ok
}

// maxWritten is how many clients all lists of a configuration have, without those
// in files of their own.
const maxWritten = 1 << 16

// hasRoom reports an error if there are too many clients. Clients of a file count
// only if they share a list with others, which needs a copy.
func hasRoom(f *field, at, n int, isFile bool, c *Clients) bool {
	switch {
	case isFile && len(c.Prefixes) == 0:
	case isFile:
		if f.copied += n; f.copied > 2*netlist.MaxPrefixes {
			return f.fail(at, "too many clients stand in lists of several files", "make one file of them")
		}
	default:
		if f.written += n; f.written > maxWritten {
			return f.fail(at, fmt.Sprintf("more than %d clients in one configuration", maxWritten), "write them into a file of their own: @/PATH")
		}
	}
	return true
}

// add adds prefixes. It does not change the list of a file, which c may share.
func (c *Clients) add(item string, more []netip.Prefix) {
	c.Written = append(c.Written, item)
	if len(c.Prefixes) == 0 {
		c.Prefixes = slices.Clip(more)
		return
	}
	c.Prefixes = append(c.Prefixes, more...)
}

// A listing is a file of prefixes that has been read.
type listing struct {
	prefixes []netip.Prefix
	ok       bool  // nothing in it is wrong
	err      error // why it could not be read now
	missing  bool  // nor had it been read before
}

// clientFile returns the prefixes of a file, which is read once however often it
// is named. A file that cannot be read is no error: it may appear later.
func clientFile(f *field, at int, path string) (listing, bool) {
	if !filepath.IsAbs(path) {
		return listing{}, f.fail(at, fmt.Sprintf("`@%s` is no path of a file", path), "write @ and a path that begins with a slash")
	}
	l, known := f.lists[path]
	if !known {
		l = readClientFile(f, path)
		if f.lists == nil {
			f.lists = map[string]listing{}
		}
		f.lists[path] = l
	}
	switch {
	case l.missing:
		f.wait(at, fmt.Sprintf("the list cannot be read: %v; services that have it are not served until it can, or are as they were", l.err), "")
	case l.err != nil:
		f.wait(at, fmt.Sprintf("the list cannot be read now: %v; what stood in it before stays in force", l.err), "")
	case l.ok && len(l.prefixes) == 0 && f.key == "allow":
		return l, f.fail(at, path+" has no client: nobody would be served, or everybody", "put one into it, or write allow=all")
	}
	return l, l.ok
}

func readClientFile(f *field, path string) listing {
	old, had := f.listsBefore[path]
	if had = had && !old.missing; had && f.again && old.err == nil {
		return old
	}
	prefixes, ok, err := netlist.Read(path, &f.errors, &f.warnings)
	switch {
	case err != nil && had:
		return listing{prefixes: old.prefixes, ok: true, err: err}
	case err != nil:
		return listing{ok: true, err: err, missing: true}
	}
	return listing{prefixes: prefixes, ok: ok}
}

// clients warns of lists that leave a service without clients. Behind a trusted
// proxy clients may be of either family.
func (r *review) clients() {
	addr := r.v.ID.Addr.Addr()
	if !addr.IsValid() || len(r.v.TrustedProxies.Prefixes) > 0 {
		return
	}
	ours := func(c netip.Prefix) bool { return c.Addr().Is6() == addr.Is6() }
	all := func(c netip.Prefix) bool { return ours(c) && c.Bits() == 0 }
	some := func(c netip.Prefix) bool { return ours(c) && c.Bits() > 0 }
	family := "IPv4"
	if addr.Is6() {
		family = "IPv6"
	}
	allow, deny := r.v.Allow.Prefixes, r.v.Deny.Prefixes
	switch {
	case slices.ContainsFunc(allow, some):
	case slices.ContainsFunc(deny, all):
		s := r.sec.line("deny")
		r.warn(s, s.keyAt, fmt.Sprintf("no client is served: `deny` has all of %s", family), "write `allow` with the networks of those that are, and no `deny`")
	case len(allow) > 0 && !slices.ContainsFunc(allow, all):
		s := r.sec.line("allow")
		r.warn(s, s.keyAt, fmt.Sprintf("no client is served: `allow` has no %s network", family), "add one, or write allow=all")
	}
}
