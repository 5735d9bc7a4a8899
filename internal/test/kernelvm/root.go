package kernelvm

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/kernelvm/internal/newc"
)

// etc is the configuration that a C library looks for.
//
//go:embed etc
var etc embed.FS

// merged are the folders that are in usr in truth, as Debian has it. Files of
// packages that still name the old place are put into the new one.
var merged = []string{"bin", "sbin", "lib", "lib64"}

// A root is the file system that a machine starts with. What is added later
// replaces what was at its path.
type root map[string]entry

// An entry is a file, a folder or a symbolic link. Its body is content, or else
// what the host has in file.
type entry struct {
	newc.Header
	content []byte
	file    string
}

// newRoot returns a root with the folders and the configuration that every
// program may expect.
func newRoot() (root, error) {
	r := root{}
	for _, name := range merged {
		r.folder("usr/" + name)
		r.link(name, "usr/"+name)
	}
	for _, name := range []string{"dev", "proc", "root", "run", "sys", "var/lib", "var/log"} {
		r.folder(name)
	}
	r.put("tmp", entry{Header: newc.Header{Mode: unix.S_IFDIR | 0o1777}})
	r.link("var/run", "/run")
	// The kernel opens it for process 1 before there is a devtmpfs.
	r.put("dev/console", entry{Header: newc.Header{Mode: unix.S_IFCHR | 0o600, Major: 5, Minor: 1}})
	return r, fs.WalkDir(etc, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := etc.ReadFile(name)
		r.bytes(name, 0o644, content)
		return err
	})
}

// bytes adds a file with the given content.
func (r root) bytes(name string, perm uint32, content []byte) {
	r.put(name, entry{
		Header:  newc.Header{Mode: unix.S_IFREG | perm, Size: int64(len(content))},
		content: content,
	})
}

// link adds a symbolic link.
func (r root) link(name, target string) {
	r.put(name, entry{
		Header:  newc.Header{Mode: unix.S_IFLNK | 0o777, Size: int64(len(target))},
		content: []byte(target),
	})
}

// folder adds a folder, unless there is something of that name.
func (r root) folder(name string) {
	if _, there := r[place(name)]; !there {
		r.put(name, entry{Header: newc.Header{Mode: unix.S_IFDIR | 0o755}})
	}
}

// put adds e, and the folders that lead to it.
func (r root) put(name string, e entry) {
	e.Name = place(name)
	if dir := path.Dir(e.Name); dir != "." {
		r.folder(dir)
	}
	r[e.Name] = e
}

// place returns where name is in truth, without a leading slash.
func place(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if first, rest, below := strings.Cut(name, "/"); below && slices.Contains(merged, first) {
		return path.Join("usr", first, rest)
	}
	return name
}

// has reports whether there is something at name.
func (r root) has(name string) bool {
	_, there := r[place(name)]
	return there
}

// host adds a file or a folder of the host, with all that is below, or what a
// link leads to.
func (r root) host(name, host string) error {
	host, err := filepath.EvalSymlinks(host)
	if err != nil {
		return err
	}
	return filepath.WalkDir(host, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(host, file)
		if err != nil {
			return err
		}
		return r.add(path.Join("/", name, rel), file, d)
	})
}

// file adds one file of the host.
func (r root) file(name, host string) error {
	info, err := os.Stat(host)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", host)
	}
	r.put(name, entry{
		Header: newc.Header{Mode: unix.S_IFREG | uint32(info.Mode().Perm()), Size: info.Size()},
		file:   host,
	})
	return nil
}

func (r root) add(name, host string, d fs.DirEntry) error {
	switch {
	case place(name) == "" || slices.Contains(merged, place(name)):
		return nil
	case d.IsDir():
		r.folder(name)
		return nil
	case d.Type() == fs.ModeSymlink:
		target, err := os.Readlink(host)
		r.link(name, target)
		return err
	default:
		return r.file(name, host)
	}
}

// write writes the root as an archive that the kernel can unpack.
func (r root) write(w io.Writer) error {
	archive := newc.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(r)) { // folders come before what is in them
		if err := r[name].write(archive); err != nil {
			return err
		}
	}
	return archive.Close()
}

func (e entry) write(w *newc.Writer) error {
	if e.file == "" {
		return w.Write(e.Header, bytes.NewReader(e.content))
	}
	body, err := os.Open(e.file)
	if err != nil {
		return err
	}
	defer body.Close()
	return w.Write(e.Header, body)
}
