package kmod

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotFound is what a name matches that no module has or answers to.
var ErrNotFound = errors.New("no such module")

// An Index is the modules of one kernel.
type Index struct {
	Modules map[string]Module // by name
	Builtin []string          // names of what is part of the kernel itself
}

// Scan reads all modules below dir, which is the folder of one kernel in
// /lib/modules.
func Scan(dir string) (Index, error) {
	x := Index{Modules: map[string]Module{}}
	err := filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(file) != ".ko" {
			return err
		}
		m, err := Read(file)
		if err != nil {
			return err
		}
		m.File, err = filepath.Rel(dir, file)
		x.Modules[m.Name] = m
		return err
	})
	if err != nil {
		return Index{}, err
	}
	x.Builtin, err = builtin(filepath.Join(dir, "modules.builtin"))
	return x, err
}

// builtin reads a list of paths. A kernel without one has nothing built in.
func builtin(list string) ([]string, error) {
	f, err := os.Open(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		names = append(names, Canonical(strings.TrimSuffix(path.Base(lines.Text()), ".ko")))
	}
	return names, lines.Err()
}

// Match returns the names of the modules that one of the patterns matches, as
// path.Match does, sorted. A pattern that matches nothing is an error: what
// asked for it would miss it later and elsewhere.
func (x Index) Match(patterns ...string) ([]string, error) {
	found := map[string]bool{}
	for _, pattern := range patterns {
		matches, err := x.match(Canonical(pattern))
		if err != nil {
			return nil, fmt.Errorf("modules %s: %w", pattern, err)
		}
		for _, name := range matches {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (x Index) match(pattern string) ([]string, error) {
	var matches []string
	for name := range x.Modules {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			matches = append(matches, name)
		}
	}
	if len(matches) == 0 && !slices.Contains(x.Builtin, pattern) {
		return nil, ErrNotFound
	}
	return matches, nil
}

// Resolve returns the modules that answer to name, which is a module's own
// name or an alias that the kernel asks for. It returns none, and no error,
// for what is built in.
func (x Index) Resolve(name string) ([]string, error) {
	own := Canonical(name)
	if _, ok := x.Modules[own]; ok {
		return []string{own}, nil
	}
	if slices.Contains(x.Builtin, own) {
		return nil, nil
	}
	var answering []string
	for _, m := range x.Modules {
		if m.answers(name) {
			answering = append(answering, m.Name)
		}
	}
	if len(answering) == 0 {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	slices.Sort(answering)
	return answering, nil
}

func (m Module) answers(name string) bool {
	return slices.ContainsFunc(m.Aliases, func(alias string) bool {
		ok, err := path.Match(Canonical(alias), Canonical(name))
		return ok && err == nil
	})
}

// Closure returns the named modules and all that they need, every module
// after those it needs. Soft dependencies that are not there are passed over.
func (x Index) Closure(names ...string) ([]Module, error) {
	w := walk{index: x, seen: map[string]bool{}}
	for _, name := range names {
		if err := w.visit(name); err != nil {
			return nil, err
		}
	}
	return w.order, nil
}

// Subset returns an index of these modules and of what is built in.
func (x Index) Subset(modules []Module) Index {
	sub := Index{Modules: map[string]Module{}, Builtin: x.Builtin}
	for _, m := range modules {
		sub.Modules[m.Name] = m
	}
	return sub
}

// A walk visits modules, dependencies first.
type walk struct {
	index Index
	seen  map[string]bool
	order []Module
}

func (w *walk) visit(name string) error {
	if w.seen[name] {
		return nil
	}
	w.seen[name] = true
	m, ok := w.index.Modules[name]
	if !ok {
		if slices.Contains(w.index.Builtin, name) {
			return nil
		}
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	for _, need := range slices.Concat(w.index.soft(m), m.Depends) {
		if err := w.visit(need); err != nil {
			return fmt.Errorf("%s needs %w", name, err)
		}
	}
	w.order = append(w.order, m)
	return nil
}

// soft returns the soft dependencies of m that there are.
func (x Index) soft(m Module) []string {
	var names []string
	for _, s := range m.Soft {
		if found, err := x.Resolve(s); err == nil {
			names = append(names, found...)
		}
	}
	return names
}
