package config

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/shunt-lb/shunt/internal/files"
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
	ok       bool  // nothing in it is wrong
	err      error // why it could not be read now
	missing  bool  // nor had it been read before
}

// clientFile returns the prefixes of a file, which is read once however often
// it is named. One that cannot be read is no error: it may come.
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
	text, err := readRegular(path)
	switch {
	case err != nil && had:
		return listing{prefixes: old.prefixes, ok: true, err: err}
	case err != nil:
		return listing{ok: true, err: err, missing: true}
	}
	r := listReader{collector: f.collector, path: path}
	if len(text) > maxSize {
		r.num = 1
		r.say(Error, 0, "", fmt.Sprintf("larger than %d MiB", maxSize>>20), "is it a list?")
		return listing{}
	}
	for line := range bytes.Lines(bytes.TrimPrefix(text, byteOrderMark)) {
		r.line(string(bytes.TrimRight(line, "\r\n")))
	}
	return listing{prefixes: r.all, ok: r.bad == 0}
}

// readRegular is ReadFile for what is neither a folder nor a pipe nor a device.
func readRegular(path string) ([]byte, error) {
	info, err := files.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		return nil, err
	}
	return ReadFile(path)
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
