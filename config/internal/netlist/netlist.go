// Package netlist reads networks and addresses, and files with one of them a
// line.
package netlist

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/shunt-lb/shunt/config/internal/problem"
	"github.com/shunt-lb/shunt/internal/files"
)

const (
	// maxSize is how large a file may be.
	maxSize = 16 << 20
	// MaxPrefixes is how many prefixes a file may have.
	MaxPrefixes = 1 << 20
	// maxErrors of one file are reported.
	maxErrors = 10
)

// Read returns the prefixes of the file at path. It adds the problems of the
// lines to errors and warnings; ok is false if there are errors. err is that of
// the operating system if the file cannot be read.
func Read(path string, errors, warnings *problem.List) (prefixes []netip.Prefix, ok bool, err error) {
	text, err := readRegular(path)
	if err != nil {
		return nil, false, err
	}
	r := reader{errors: errors, warnings: warnings, path: path}
	if len(text) > maxSize {
		r.num = 1
		r.say(problem.Error, 0, "", fmt.Sprintf("larger than %d MiB", maxSize>>20), "is it a list?")
		return nil, false, nil
	}
	for line := range bytes.Lines(bytes.TrimPrefix(text, byteOrderMark)) {
		r.line(string(bytes.TrimRight(line, "\r\n")))
	}
	return r.all, r.bad == 0, nil
}

var byteOrderMark = []byte("\uFEFF")

// readRegular reads a file that is neither a folder nor a pipe nor a device.
func readRegular(path string) ([]byte, error) {
	info, err := files.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		return nil, err
	}
	return files.Read(path, maxSize+1)
}

// A reader reads a file with one prefix a line.
type reader struct {
	errors, warnings *problem.List
	path             string
	num              int // of the line
	all              []netip.Prefix
	bad              int  // lines
	remarked         bool // one warning is enough
}

func (r *reader) line(src string) {
	r.num++
	text, _, _ := strings.Cut(src, "#")
	item := strings.TrimSpace(text)
	if item == "" {
		return
	}
	p, wrong, remark := Parse(item)
	at := strings.Index(src, item)
	switch {
	case wrong != "":
		r.say(problem.Error, at, src, wrong, "one network or address a line, comments behind a #")
		return
	case len(r.all) == MaxPrefixes:
		r.say(problem.Error, at, src, fmt.Sprintf("more than %d clients in one list", MaxPrefixes), "")
		return
	case remark != "" && !r.remarked:
		r.remarked = true
		r.say(problem.Warning, at, src, remark, "write "+p.String())
	}
	r.all = append(r.all, p)
}

// say reports a problem of a line, up to maxErrors errors.
func (r *reader) say(how problem.Severity, at int, src, text, hint string) {
	if how == problem.Error {
		if r.bad++; r.bad > maxErrors {
			return
		}
	}
	if how == problem.Error && r.bad == maxErrors {
		text += "; what follows in this file is not reported"
	}
	col := utf8.RuneCountInString(src[:at]) + 1
	p := problem.Problem{Text: text, Hint: hint, Line: src, Pos: problem.Pos{File: r.path, Line: r.num, Col: col}}
	if how == problem.Error {
		r.errors.Add(p)
	} else {
		r.warnings.Add(p)
	}
}

// Parse reads a network or an address. wrong says why s is neither, remark that
// host bits were ignored.
func Parse(s string) (p netip.Prefix, wrong, remark string) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil:
			return p, fmt.Sprintf("`%s` is no network and no address", s), ""
		case a.Zone() != "":
			return p, fmt.Sprintf("`%s` has a zone, which means nothing here", s), ""
		}
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), "", ""
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, fmt.Sprintf("`%s` is no network", s), ""
	case p.Addr().Is4In6():
		return p, fmt.Sprintf("`%s` is an IPv4 network written as IPv6", s), ""
	case p.Masked() != p:
		return p.Masked(), "", fmt.Sprintf("`%s` has bits behind its prefix: it is read as %s", s, p.Masked())
	}
	return p, "", ""
}
