package daemon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/files"
)

// exposed returns a warning for each program that conf has shunt run, and for
// the files of the configuration, if somebody else than root and the user that shunt
// runs as may change it, or put another one in its place: such a user decides what runs
// with shunt's rights. With strict they are errors.
func exposed(conf *config.Config, strict bool) config.Problems {
	x := &exposure{severity: config.Warning, seen: map[string]bool{}, said: map[string]bool{}, uid: uint32(os.Geteuid())}
	if strict {
		x.severity = config.Error
	}
	g := &conf.Global
	x.file("this file", conf.Path, config.Pos{File: conf.Path})
	for _, in := range g.Includes {
		for _, path := range append([]string{in.Folder}, in.Files...) {
			x.file("`include`", path, in.Pos)
		}
	}
	x.file("`callback`", g.Callback, g.Origins["callback"].Pos)
	x.settings(&g.Settings, g.Origins)
	for i := range conf.Virtuals {
		v := &conf.Virtuals[i]
		x.settings(&v.Settings, v.Origins)
		if v.CheckType == config.CheckExternal || v.CheckType == config.CheckExternalPerl {
			x.file("`checkcommand`", v.CheckCommand, v.Origins["checkcommand"].Pos)
		}
		for _, c := range v.Further() {
			x.file("`check`", c.Command, c.Pos)
		}
	}
	return x.problems
}

// An exposure is what has been found in one file.
type exposure struct {
	severity config.Severity
	problems config.Problems
	seen     map[string]bool // programs that were looked at
	said     map[string]bool // what was reported
	uid      uint32
}

// settings looks at the commands that a section can have, and all of them.
func (x *exposure) settings(s *config.Settings, origins config.Origins) {
	for _, c := range []struct{ directive, command string }{
		{"fallbackcommand", s.FallbackCommand}, {"notify", s.Notify}, {"quorumup", s.QuorumUp}, {"quorumdown", s.QuorumDown},
	} {
		x.file("`"+c.directive+"`", program(c.command), origins[c.directive].Pos)
	}
}

// program returns the program that a command line for the shell begins with,
// empty if that cannot be told.
func program(command string) string {
	word := strings.TrimLeft(command, " \t\"'")
	if end := strings.IndexAny(word, " \t\"';&|)<>"); end >= 0 {
		word = word[:end]
	}
	if strings.ContainsAny(word, "$`*?=(") {
		return ""
	}
	return word
}

// file reports who else may change the file at path, or a folder on the way to
// it. A name without a slash is looked for in PATH.
func (x *exposure) file(what, path string, pos config.Pos) {
	if path == "" || x.seen[path] {
		return
	}
	x.seen[path] = true
	if what != "this file" && what != "`include`" && !strings.Contains(path, "/") {
		found, err := exec.LookPath(path)
		if err != nil {
			return // the shell's own, or none
		}
		path = found
	}
	found, err := files.Try(context.Background(), path, func() (*finding, error) { return x.look(path) })
	if err != nil || found == nil || x.said[found.path] {
		return // what is not there is another matter
	}
	x.said[found.path] = true
	where := path
	if found.path != path {
		where = fmt.Sprintf("%s, by way of %s", path, found.path)
	}
	x.problems = append(x.problems, config.Problem{
		Severity: x.severity, Pos: pos, Text: fmt.Sprintf("%s: %s: %s, and decides what shunt runs", what, where, found.who), Hint: "type: " + found.fix,
	})
}

// A finding is a file or folder that others may change.
type finding struct{ path, who, fix string }

// look walks from path up to the root, and once more from where symbolic links
// lead. It returns nil if all is well.
func (x *exposure) look(path string) (*finding, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	for _, start := range []string{real, path} {
		for p := start; ; p = filepath.Dir(p) {
			if found, err := x.judge(p); found != nil || err != nil {
				return found, err
			}
			if p == "/" {
				break
			}
		}
	}
	return nil, nil
}

// judge looks at one file or folder. The mode of a symbolic link says nothing.
func (x *exposure) judge(path string) (*finding, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, err
	}
	kind, mode := st.Mode&unix.S_IFMT, st.Mode&0o7777
	if st.Uid != 0 && st.Uid != x.uid {
		return &finding{path, fmt.Sprintf("it belongs to user %d, who may change it", st.Uid), "chown root " + path}, nil
	}
	open := mode & 0o002
	if st.Gid != 0 {
		open |= mode & 0o020
	}
	// In a folder with the sticky bit nobody takes away what is another's.
	if open == 0 || kind == unix.S_IFLNK || kind == unix.S_IFDIR && mode&unix.S_ISVTX != 0 {
		return nil, nil
	}
	who := "everybody may change it"
	if open&0o002 == 0 {
		who = fmt.Sprintf("group %d may change it", st.Gid)
	}
	return &finding{path, fmt.Sprintf("%s (mode %04o)", who, mode), "chmod go-w " + path}, nil
}
