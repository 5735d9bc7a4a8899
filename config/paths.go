package config

import (
	"context"
	"fmt"
	"os"
	"strings"

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

// maxSize is how large a configuration file may be.
const maxSize = 16 << 20

// ReadFile returns the text of the regular file at path for Parse: all of it, or
// as much as Parse needs to say that it is too large.
func ReadFile(path string) ([]byte, error) { return files.Read(path, maxSize+1) }

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
