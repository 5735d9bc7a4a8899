// Package source reads a configuration file and the files that it includes, all at
// one time.
package source

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shunt-lb/shunt/internal/files"
)

const (
	// MaxSize is how many bytes a configuration may have, with all files that it
	// includes.
	MaxSize = 16 << 20
	// MaxFiles is how many files it may include.
	MaxFiles = 256
)

// A Source is the text of a configuration file with those that it includes, as they
// were when it was read. It is not safe for concurrent use.
type Source struct {
	Name     string // of the file, as messages have it
	Text     []byte
	Includes []*Include // one for each pattern, in the order of the lines

	size, files int // of what Includes have
}

// An Include is what one include line names.
type Include struct {
	Pattern string // as the line has it
	Path    string // Pattern, as seen from the file
	Files   []File // in the order of their names
	// Err is why the pattern could not be followed, nil if Files are all that
	// match it.
	Err error
}

// A File is one that is included.
type File struct {
	Path string
	Text []byte
	Err  error // why it could not be read
}

// Include returns what a pattern names. It is read when it is asked for first.
func (s *Source) Include(pattern string) *Include {
	for _, in := range s.Includes {
		if in.Pattern == pattern {
			return in
		}
	}
	in := &Include{Pattern: pattern, Path: filepath.Clean(pattern)}
	if !filepath.IsAbs(pattern) {
		in.Path = filepath.Join(filepath.Dir(s.Name), pattern)
	}
	s.Includes = append(s.Includes, in)
	names, err := in.names()
	if err == nil && s.files+len(names) > MaxFiles {
		err = fmt.Errorf("more than %d files would be included", MaxFiles)
	}
	if err != nil {
		in.Err = err
		return in
	}
	s.files += len(names)
	for _, name := range names {
		in.Files = append(in.Files, s.read(name))
	}
	return in
}

func (s *Source) read(path string) File {
	room := max(0, MaxSize-len(s.Text)-s.size)
	text, err := files.Read(path, int64(room)+1)
	if err == nil && len(text) > room {
		return File{Path: path, Err: fmt.Errorf("%s: the configuration has more than %d MiB with it", path, MaxSize>>20)}
	}
	s.size += len(text)
	return File{Path: path, Text: text, Err: err}
}

// Many reports whether the pattern has wildcards, so that it may match any number of
// files.
func (in *Include) Many() bool { return wild(filepath.Base(in.Path)) }

// Folder returns the folder of the files.
func (in *Include) Folder() string { return filepath.Dir(in.Path) }

func wild(path string) bool { return strings.ContainsAny(path, `*?[\`) }

// names returns the paths that the pattern stands for, in order. A wildcard does not
// match the dot at the beginning of a name: such files are those of editors.
func (in *Include) names() ([]string, error) {
	base := filepath.Base(in.Path)
	switch _, err := filepath.Match(base, ""); {
	case wild(in.Folder()):
		return nil, errors.New("only the last part of a path may have wildcards")
	case err != nil:
		return nil, fmt.Errorf("`%s` is no pattern: a bracket is not closed", base)
	case !wild(base):
		return []string{in.Path}, nil
	}
	entries, err := files.ReadDir(in.Folder())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		match, _ := filepath.Match(base, e.Name()) // the pattern is good
		if match && (e.Name()[0] != '.' || base[0] == '.') {
			names = append(names, filepath.Join(in.Folder(), e.Name()))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Watched returns the paths at which a change may change the included files: these,
// and the folders of patterns with wildcards.
func (s *Source) Watched() []string {
	var paths []string
	for _, in := range s.Includes {
		if in.Many() {
			paths = append(paths, in.Folder())
		}
		for _, f := range in.Files {
			paths = append(paths, f.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Texts returns the text of each file by its path.
func (s *Source) Texts() map[string][]byte {
	texts := map[string][]byte{s.Name: s.Text}
	for _, in := range s.Includes {
		for _, f := range in.Files {
			if f.Err == nil {
				texts[f.Path] = f.Text
			}
		}
	}
	return texts
}

// Digest returns a digest of all texts, their names, and the kinds of errors.
func (s *Source) Digest() [sha256.Size]byte {
	h := sha256.New()
	add(h, s.Text)
	for _, in := range s.Includes {
		add(h, []byte(in.Path))
		addError(h, in.Err)
		for _, f := range in.Files {
			add(h, []byte(f.Path))
			addError(h, f.Err)
			add(h, f.Text)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func add(h hash.Hash, text []byte) {
	fmt.Fprintf(h, "%d:", len(text))
	h.Write(text)
}

// addError adds the kind of err: an error that only tells how long a file system has
// not answered is the same one all the time.
func addError(h hash.Hash, err error) {
	kind := 0
	for i, known := range []error{fs.ErrNotExist, fs.ErrPermission, files.ErrNotRegular, files.ErrHangs} {
		if errors.Is(err, known) {
			kind = i + 2
		}
	}
	if err != nil && kind == 0 {
		kind = 1
	}
	fmt.Fprintf(h, "%d.", kind)
}
