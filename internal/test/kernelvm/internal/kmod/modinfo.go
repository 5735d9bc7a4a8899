// Package kmod knows the modules of a kernel: what they need, which aliases
// they answer to, and what has to be loaded for a name. Distributions work
// that out with depmod when a kernel is installed; for a kernel that is only
// unpacked it is read from the modules themselves.
package kmod

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"strings"
)

// A Module is one loadable file.
type Module struct {
	Name    string   // with underscores, as /proc/modules spells it
	File    string   // relative to the folder that was scanned
	Depends []string // names of modules that have to be loaded before
	Soft    []string // names or aliases of modules that should be loaded before
	Aliases []string // patterns of names that the kernel asks for
}

// Read reads what the module in file says of itself.
func Read(file string) (Module, error) {
	f, err := elf.Open(file)
	if err != nil {
		return Module{}, fmt.Errorf("read module %s: %w", file, err)
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return Module{}, fmt.Errorf("read module %s: it has no section .modinfo", file)
	}
	info, err := section.Data()
	if err != nil {
		return Module{}, fmt.Errorf("read module %s: %w", file, err)
	}
	m := parse(info)
	if m.Name == "" {
		m.Name = Canonical(strings.TrimSuffix(filepath.Base(file), ".ko"))
	}
	return m, nil
}

// parse reads a section .modinfo: key=value, each ended by a zero byte.
func parse(info []byte) Module {
	var m Module
	for field := range strings.SplitSeq(string(info), "\x00") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "name":
			m.Name = Canonical(value)
		case "alias":
			m.Aliases = append(m.Aliases, value)
		case "depends":
			m.Depends = append(m.Depends, names(value)...)
		case "softdep":
			m.Soft = append(m.Soft, before(value)...)
		}
	}
	return m
}

func names(list string) []string {
	var all []string
	for name := range strings.SplitSeq(list, ",") {
		if name != "" {
			all = append(all, Canonical(name))
		}
	}
	return all
}

// before returns what a soft dependency, "pre: a b post: c", wants first.
func before(softdep string) []string {
	var pre []string
	first := false
	for word := range strings.FieldsSeq(softdep) {
		switch {
		case strings.HasSuffix(word, ":"):
			first = word == "pre:"
		case first:
			pre = append(pre, word)
		}
	}
	return pre
}

// Canonical spells the name of a module as the kernel does. In names of
// modules "-" and "_" are the same.
func Canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }
