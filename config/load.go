package config

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/shunt-lb/shunt/config/internal/format"
	"github.com/shunt-lb/shunt/config/internal/lookup"
	"github.com/shunt-lb/shunt/config/internal/source"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/services"
)

// Options change how a file is read. The zero value is ready to use.
type Options struct {
	// Strict refuses what ldirectord refuses, as `strict = yes` does.
	Strict bool
	// Dataplanes are the names that the directive dataplane accepts; nil accepts
	// every word.
	Dataplanes []string
	// Resolver finds the addresses of host names; nil is the system's, with
	// /etc/hosts as it is now.
	Resolver Resolver
	// Before is the configuration in force, nil for none. Addresses and files
	// that cannot be found now are as they were in it.
	Before *Config
	// Again looks only for the things that Before is waiting for, and leaves all
	// others as in Before.
	Again bool
}

// Load reads, checks and resolves the file at path. If the file has errors the
// error is of type Problems and holds all of them, warnings included; if it
// cannot be read the error is that of the operating system. ctx bounds the
// look-up of host names, which takes a few seconds at the most. A missing address
// or file that the configuration names is no error: see Config.Waiting.
func Load(ctx context.Context, path string, o Options) (*Config, error) {
	src, err := ReadSource(path)
	if err != nil {
		return nil, err
	}
	return ParseSource(ctx, src, o)
}

// Parse is Load for text that is already in memory; name stands for the file
// in messages, and for its place where it includes others.
func Parse(ctx context.Context, name string, text []byte, o Options) (*Config, error) {
	return ParseSource(ctx, NewSource(name, text), o)
}

// ParseSource is Load for what has been read already. It looks at the other files
// that the configuration names, and changes none.
func ParseSource(ctx context.Context, src *Source, o Options) (*Config, error) {
	if len(src.Text) > source.MaxSize {
		return nil, Problems{{
			Severity: Error, Pos: Pos{File: src.Name},
			Text: fmt.Sprintf("the file is larger than %d MiB", source.MaxSize>>20), Hint: "is it a configuration?",
		}}
	}
	p := read(ctx, src, o)
	if what := p.otherFormat(); what != "" {
		return nil, Problems{{Severity: Error, Pos: Pos{File: src.Name}, Text: what}}
	}
	problems, bad := p.problems(o.Strict || p.cfg.Global.Strict)
	if bad {
		return nil, problems
	}
	p.cfg.Waiting, p.cfg.Warnings = split(problems)
	p.cfg.known, p.cfg.lists, p.cfg.missing = p.known, p.lists, p.missing
	return p.cfg, nil
}

// A Resolver finds the addresses of a host. *net.Resolver is one. The network
// is "ip4" or "ip6". It is asked for many hosts at once.
type Resolver = lookup.Resolver

// read reads the text once to learn which names are in it, and again with
// their addresses.
func read(ctx context.Context, src *Source, o Options) *parser {
	known := map[lookup.Question]lookup.Result{}
	names := o.lookup()
	ctx, cancel := context.WithTimeout(ctx, names.Budget())
	defer cancel()
	for {
		p := newParser(src, o, known)
		p.file()
		if len(p.asked) == 0 || p.otherFormat() != "" {
			return p
		}
		names.Run(ctx, p.asked, known)
	}
}

func (o Options) lookup() *lookup.Lookup {
	l := &lookup.Lookup{Resolver: o.Resolver, Again: o.Again}
	if o.Before != nil {
		l.Before = o.Before.known
	}
	if l.Resolver == nil {
		l.Resolver, l.Hosts = net.DefaultResolver, lookup.SystemHosts()
	}
	return l
}

func split(all Problems) (waiting, warnings Problems) {
	for _, p := range all {
		if p.Severity == Waiting {
			waiting = append(waiting, p)
		} else {
			warnings = append(warnings, p)
		}
	}
	return waiting, warnings
}

func newParser(src *Source, o Options, known map[lookup.Question]lookup.Result) *parser {
	p := &parser{
		collector: &collector{source: src, dataplanes: o.Dataplanes, again: o.Again},
		names:     &names{ports: lookup.SystemPorts(), known: known, asked: map[lookup.Question]bool{}},
		cfg:       &Config{Path: src.Name},
		lines:     map[string]place{},
	}
	if p.before = o.Before; p.before != nil {
		p.listsBefore = p.before.lists
	}
	return p
}

var byteOrderMark = []byte("\uFEFF")

func (p *parser) file() {
	b := &blocks{collector: p.collector}
	b.scan()
	p.sections = len(b.sections)
	p.global(&b.global)
	for _, sec := range b.sections {
		p.section(sec)
	}
	if len(p.cfg.Virtuals) == len(b.sections) {
		p.unusedTunnels()
	}
}

// plainText returns the text of a file without its byte order mark.
func (c *collector) plainText(file string, text []byte) []byte {
	text, marked := bytes.CutPrefix(text, byteOrderMark)
	if marked {
		c.lenient(lineAt(file, text, 0), 0, "a byte order mark before the first line", "save the file as UTF-8 without it")
	}
	if dos := bytes.Index(text, []byte("\r\n")); dos >= 0 {
		c.lenient(lineAt(file, text, dos), 0, "DOS line ends", "save the file with Unix line ends")
	}
	return text
}

// lineAt returns the line of a file with the byte at the offset at of its text.
func lineAt(file string, text []byte, at int) *stmt {
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := bytes.Cut(text[start:], []byte("\n"))
	return &stmt{file: file, line: bytes.Count(text[:start], []byte("\n")) + 1, src: strings.TrimRight(string(line[:min(len(line), maxLine)]), "\r")}
}

// CheckAddr returns the address that checks of r connect to, with the port of
// checkport, else that of the real server, else the usual one of the service,
// else 0.
func (v *Virtual) CheckAddr(r *Real) netip.AddrPort {
	port := v.CheckPort
	if port == 0 {
		port = r.Addr.Port()
	}
	if port == 0 {
		port = v.service().Port
	}
	return netip.AddrPortFrom(r.Addr.Addr(), port)
}

// serviceText returns the value of the virtual line of id.
func serviceText(id dataplane.ServiceID) string {
	if id.Protocol == dataplane.FWMark {
		return fmt.Sprint(id.Mark)
	}
	return id.Addr.String()
}

// endpointText writes an address, with its port if it has one and with
// brackets if it needs them.
func endpointText(a netip.AddrPort) string {
	switch {
	case a.Port() != 0:
		return a.String()
	case a.Addr().Is6():
		return "[" + a.Addr().String() + "]"
	}
	return a.Addr().String()
}

// service returns the row of v's service.
func (v *Virtual) service() services.Service {
	s, _ := services.Named(v.Service) // another cannot be written
	return s
}

// otherFormat returns an error text if the file has errors, no section, and looks
// like a file of another kind, and "" otherwise.
func (p *parser) otherFormat() string {
	if p.sections > 0 || p.errors.Empty() {
		return ""
	}
	switch what := format.Guess(p.source.Text); what {
	case "":
		return ""
	case format.UTF16:
		return "this is " + what + ": save it as UTF-8"
	default:
		return "this is " + what + ", not an ldirectord.cf"
	}
}
