package config

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxListed is how many prefixes a file may have.
	maxListed = 1 << 20
	// maxListErrors of one file are reported.
	maxListErrors = 10
)

// A listing is a file of prefixes that has been read.
type listing struct {
	prefixes []netip.Prefix
	ok       bool
}

// clientFile returns the prefixes of a file, which is read once however often
// it is named.
func (f *field) clientFile(at int, path string) ([]netip.Prefix, bool) {
	if !filepath.IsAbs(path) {
		return nil, f.fail(at, fmt.Sprintf("`@%s` is no path of a file", path), "write @ and a path that begins with a slash")
	}
	l, known := f.lists[path]
	if !known {
		l.prefixes, l.ok = f.readClients(at, path)
		if f.lists == nil {
			f.lists = map[string]listing{}
		}
		f.lists[path] = l
	}
	if l.ok && len(l.prefixes) == 0 && f.key == "allow" {
		return nil, f.fail(at, path+" has no client: nobody would be served, or everybody", "put one into it, or write allow=all")
	}
	return l.prefixes, l.ok
}

func (f *field) readClients(at int, path string) (all []netip.Prefix, ok bool) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	var text []byte
	if err == nil {
		text, err = ReadFile(path)
	}
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxSize>>20)
	}
	if err != nil {
		return nil, f.fail(at, fmt.Sprintf("the list cannot be read: %v", err), "")
	}
	r := listReader{collector: f.collector, path: path}
	for line := range bytes.Lines(bytes.TrimPrefix(text, byteOrderMark)) {
		r.line(string(bytes.TrimRight(line, "\r\n")))
	}
	return r.all, r.bad == 0
}

// A listReader reads a file with one prefix a line.
type listReader struct {
	*collector
	path string
	num  int // of the line
	all  []netip.Prefix
	bad  int // lines
}

func (r *listReader) line(src string) {
	r.num++
	text, _, _ := strings.Cut(src, "#")
	item := strings.TrimSpace(text)
	if item == "" {
		return
	}
	p, wrong, remark := parsePrefix(item)
	at := strings.Index(src, item)
	switch {
	case wrong != "":
		r.say(Error, at, src, wrong, "one network or address a line, comments behind a #")
		return
	case len(r.all) == maxListed:
		r.say(Error, at, src, fmt.Sprintf("more than %d clients in one list", maxListed), "")
		return
	case remark != "" && r.first(&stmt{line: 0, src: src}, r.path):
		r.say(Warning, at, src, remark, "write "+p.String())
	}
	r.all = append(r.all, p)
}

// say reports what is wrong with a line, as long as it is not too much.
func (r *listReader) say(how Severity, at int, src, text, hint string) {
	if how == Error {
		if r.bad++; r.bad > maxListErrors {
			return
		}
	}
	if how == Error && r.bad == maxListErrors {
		text += "; what follows in this file is not reported"
	}
	s := stmt{src: src, text: src, line: r.num}
	p := Problem{Text: text, Hint: hint, Line: src, Pos: Pos{File: r.path, Line: r.num, Col: s.column(at)}}
	if how == Error {
		r.errors.add(p)
	} else {
		r.warnings.add(p)
	}
}
