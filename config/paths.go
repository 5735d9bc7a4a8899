package config

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/shunt-lb/shunt/config/internal/source"
	"github.com/shunt-lb/shunt/internal/files"
)

// callback is the path of a program. The whole value is the name.
var callback = noticed(text(func(t target) *string { return &t.g.Callback }), func(f *field, t target) {
	if program := t.g.Callback; !executable(program) {
		hint := "nothing is run until it is there and may be run"
		if strings.Contains(program, " ") {
			hint = "the whole value is the name of the program: it gets no arguments of yours"
		}
		f.warn(f.valAt, "there is no program "+program, hint)
	}
})

// warnMissingProgram warns of a shell command that begins with the path of a
// missing program.
func warnMissingProgram(f *field, command string) {
	program := firstWord(strings.TrimLeft(command, " \t\"'"))
	program = strings.TrimRight(program, "\"';&|)")
	if strings.HasPrefix(program, "/") && !strings.ContainsAny(program, "$`*?") && !executable(program) {
		f.warn(f.valAt, fmt.Sprintf("there is no program %s", program), "the command fails until it is there and may be run")
	}
}

// executable reports whether path is a file that somebody may run.
func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// A Source is the text of a configuration file with those that it includes, read at
// one time. It is not safe for concurrent use.
type Source = source.Source

// ReadSource reads the regular file at path, and the files that it includes. The
// error is that of the file itself: those of others are told by ParseSource.
func ReadSource(path string) (*Source, error) {
	text, err := files.Read(path, source.MaxSize+1)
	if err != nil {
		return nil, err
	}
	return NewSource(path, text), nil
}

// NewSource returns a source with a text that is already in memory, and reads the
// files that it includes. Relative paths begin in the folder of name.
func NewSource(name string, text []byte) *Source {
	src := &Source{Name: name, Text: text}
	if len(text) > source.MaxSize {
		return src
	}
	text = bytes.TrimPrefix(text, byteOrderMark)
	for p := range extents(text) {
		line := text[p.at : p.at+p.size]
		if p.size > maxLine || !bytes.Contains(line, []byte("include")) {
			continue
		}
		if s := newStmt(name, int(p.line), string(line)); s.key == "include" {
			if pattern, ok := included(s); ok {
				src.Include(pattern)
			}
		}
	}
	return src
}

// included returns the value of an include line, and reports no error.
func included(s stmt) (pattern string, ok bool) {
	return optionallyQuoted(&field{collector: &collector{}, stmt: s, global: true})
}

// An Include is an include line, and what it has added.
type Include struct {
	Pattern string // as written
	Pos     Pos
	Folder  string   // of the files
	Files   []string // their paths, in order
}

var include = value{
	kind: "path of a file, or of files by the wildcards `*`, `?`, `[…]`; quotes optional",
	set: func(f *field, t target) bool {
		pattern, ok := optionallyQuoted(f)
		if !ok {
			return false
		}
		from := f.source.Include(pattern)
		in := Include{Pattern: pattern, Pos: f.pos(&f.stmt, f.keyAt), Folder: from.Folder()}
		for _, file := range from.Files {
			in.Files = append(in.Files, file.Path)
		}
		t.g.Includes = append(t.g.Includes, in)
		return true
	},
	get: func(t target) []string {
		var patterns []string
		for _, in := range t.g.Includes {
			patterns = append(patterns, inQuotes(in.Pattern))
		}
		return patterns
	},
}

// include reads the sections of the files that s names.
func (b *blocks) include(s *stmt) {
	pattern, ok := included(*s)
	if !ok {
		return // said when the value is read
	}
	in := b.source.Include(pattern)
	switch {
	case in.Err != nil:
		b.fail(s, s.valAt, fmt.Sprintf("`%s` cannot be included: %v", pattern, in.Err), "")
	case len(in.Files) == 0:
		b.warn(s, s.valAt, fmt.Sprintf("no file is called %s: nothing is included", in.Path), "")
	}
	for _, file := range in.Files {
		if b.full {
			return
		}
		b.includeFile(s, file)
	}
}

func (b *blocks) includeFile(s *stmt, file source.File) {
	line, again := b.included[file.Path]
	switch {
	case file.Err != nil:
		b.fail(s, s.valAt, fmt.Sprintf("a file cannot be included: %v", file.Err), "")
	case file.Path == filepath.Clean(b.source.Name):
		b.fail(s, s.valAt, "the file includes itself", "keep the files that are included in a folder of their own")
	case again:
		b.warn(s, s.valAt, fmt.Sprintf("%s is included already, by line %d", file.Path, line.Line), "remove one of the lines")
	default:
		if b.included == nil {
			b.included = map[string]Pos{}
		}
		b.included[file.Path] = b.pos(s, s.keyAt)
		outer := b.blocksOf
		b.blocksOf = blocksOf{name: file.Path, text: b.plainText(file.Path, file.Text), within: true}
		b.scanText()
		b.blocksOf = outer
	}
}

// readSorryPage reads the path of a page. A missing page is no error: it may
// appear later.
func readSorryPage(f *field) (string, bool) {
	p, ok := f.quoted(true)
	if !ok {
		return "", false
	}
	name := p
	info, err := files.Stat(name)
	if err == nil && info.IsDir() {
		name += "/index.html"
		info, err = files.Stat(name)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err == nil {
		err = files.Readable(context.Background(), name)
	}
	if err != nil {
		f.wait(f.valAt, fmt.Sprintf("the sorry page cannot be read: %v; the page from before answers until it can, or the built-in one", err), "name a file, or a folder with an index.html")
	}
	return p, true
}

// maxLink is the length of the longest name of a link, as in the kernel's
// dev_valid_name.
const maxLink = 15

// readLink reads the name of a network link. It does not check whether the link
// exists, since it may appear later.
func readLink(f *field) (string, bool) {
	f.straighten()
	name, ok := f.raw()
	name = strings.Trim(name, `"`)
	switch {
	case !ok:
		return "", false
	case len(name) > maxLink:
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no name of a link: it has more than %d characters", name, maxLink), "`ip link` lists the names")
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/: \""):
		return "", f.fail(f.valAt, fmt.Sprintf("`%s` is no name of a link", name), "one name, as `ip link` lists it: eth0")
	}
	return name, true
}
