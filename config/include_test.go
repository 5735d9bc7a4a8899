package config_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/config/internal/source"
)

// tree writes files, by their paths below a folder, and returns the folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// service is a section with its own line of indented settings.
func service(addr string) string {
	return "virtual=" + addr + "\n    real=192.0.2.1:80 masq\n    checktype=connect\n"
}

// Sections of included files stand in place of the line, in the order of the names,
// and inherit the globals of the whole.
func TestInclude(t *testing.T) {
	dir := tree(t, map[string]string{
		"test.cf":          service("192.0.2.80:80") + "include=conf.d/*.cf\n" + service("192.0.2.81:80") + "include = \"single\" # one\nfailurecount=3\n",
		"conf.d/b.cf":      service("192.0.2.83:80") + "    failurecount=5\n",
		"conf.d/a.cf":      "\uFEFF# two\r\n\r\n" + strings.ReplaceAll(service("192.0.2.82:80")+service("192.0.2.86:80"), "\n", "\r\n"),
		"conf.d/.#a.cf":    "no configuration",
		"conf.d/b.cf.orig": "no configuration",
		"conf.d/c.d/d.cf":  "no configuration",
		"single":           service("192.0.2.84:80"),
	})
	c, err := config.Load(t.Context(), filepath.Join(dir, "test.cf"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range c.Virtuals {
		v := &c.Virtuals[i]
		file, _ := filepath.Rel(dir, v.Pos.File)
		got = append(got, fmt.Sprintf("%s %s:%d failurecount %d", v.ID.Addr.Addr(), file, v.Pos.Line, v.FailureCount))
	}
	want := []string{
		"192.0.2.80 test.cf:1 failurecount 3",
		"192.0.2.82 conf.d/a.cf:3 failurecount 3",
		"192.0.2.86 conf.d/a.cf:6 failurecount 3",
		"192.0.2.83 conf.d/b.cf:1 failurecount 5",
		"192.0.2.81 test.cf:5 failurecount 3",
		"192.0.2.84 single:1 failurecount 3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	roundTrip(t, c)
	includes := []config.Include{
		{Pattern: "conf.d/*.cf", Pos: config.Pos{File: c.Path, Line: 4, Col: 1}, Folder: dir + "/conf.d", Files: []string{dir + "/conf.d/a.cf", dir + "/conf.d/b.cf"}},
		{Pattern: "single", Pos: config.Pos{File: c.Path, Line: 8, Col: 1}, Folder: dir, Files: []string{dir + "/single"}},
	}
	if diff := cmp.Diff(includes, c.Global.Includes); diff != "" {
		t.Errorf("includes (-want +got):\n%s", diff)
	}
	var shown bytes.Buffer
	if err := config.Show(&shown, c); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`"conf.d/*.cf"`, "# line 4", "virtual=192.0.2.83:80 (tcp 192.0.2.83:80, " + dir + "/conf.d/b.cf, line 1)", "# global line 9",
	} {
		if !strings.Contains(shown.String(), line) {
			t.Errorf("config show lacks %s:\n%s", line, &shown)
		}
	}
}

// Each mistake is reported with the file that has it.
func TestIncludeMistakes(t *testing.T) {
	tests := map[string]struct {
		files map[string]string // without main, test.cf is `include=conf.d/*.cf`
		want  string            // DIR stands for the folder
	}{
		"global": {
			map[string]string{"conf.d/a.cf": service("192.0.2.80:80") + "checktimeout=3\n"},
			"DIR/conf.d/a.cf:4:1: error: `checktimeout` is outside of the sections, of which an included file consists (move it to DIR/test.cf, or into a section, indented with 4 blanks or a tab)",
		},
		"indented global": {
			map[string]string{"conf.d/a.cf": "  checktimeout=3\n" + service("192.0.2.80:80")},
			"DIR/conf.d/a.cf:1:3: error: `checktimeout` is outside of the sections, of which an included file consists (move it to DIR/test.cf, or into a section, indented with 4 blanks or a tab)\n" +
				"DIR/conf.d/a.cf:1:3: warning: a global directive is indented (begin it at the first column)",
		},
		"nested": {
			map[string]string{"conf.d/a.cf": "include=b.cf\n"},
			"DIR/conf.d/a.cf:1:1: error: an included file cannot include another (move the line to DIR/test.cf)",
		},
		"in a section": {
			map[string]string{"test.cf": service("192.0.2.80:80") + "    include=conf.d/*.cf\n", "conf.d/a.cf": ""},
			"DIR/test.cf:4:5: error: `include` is a global directive (move it out of the section, to the first column)",
		},
		"itself":         {map[string]string{"test.cf": "include=*.cf\n"}, "DIR/test.cf:1:9: error: the file includes itself (keep the files that are included in a folder of their own)"},
		"missing folder": {map[string]string{}, "DIR/test.cf:1:9: error: `conf.d/*.cf` cannot be included: open DIR/conf.d: no such file or directory"},
		"missing file":   {map[string]string{"test.cf": "include=none.cf\n"}, "DIR/test.cf:1:9: error: a file cannot be included: open DIR/none.cf: no such file or directory"},
		"folder":         {map[string]string{"conf.d/a.cf/x": ""}, "DIR/test.cf:1:9: error: a file cannot be included: open DIR/conf.d/a.cf: not a regular file"},
		"no match":       {map[string]string{"conf.d/a.conf": ""}, "DIR/test.cf:1:9: warning: no file is called DIR/conf.d/*.cf: nothing is included"},
		"folders": {
			map[string]string{"test.cf": "include=*/a.cf\n", "conf.d/a.cf": ""},
			"DIR/test.cf:1:9: error: `*/a.cf` cannot be included: only the last part of a path may have wildcards",
		},
		"bracket": {
			map[string]string{"test.cf": "include=conf.d/[a.cf\n", "conf.d/a.cf": ""},
			"DIR/test.cf:1:9: error: `conf.d/[a.cf` cannot be included: `[a.cf` is no pattern: a bracket is not closed",
		},
		"empty": {map[string]string{"test.cf": "include=\n"}, "DIR/test.cf:1:9: error: `include` is empty (leave the line out)"},
		"twice": {
			map[string]string{"test.cf": "include=conf.d/*.cf\ninclude=conf.d/a.cf\n", "conf.d/a.cf": service("192.0.2.80:80")},
			"DIR/test.cf:2:9: warning: DIR/conf.d/a.cf is included already, by line 1 (remove one of the lines)",
		},
		"two of one service": {
			map[string]string{"conf.d/a.cf": service("192.0.2.80:80"), "conf.d/b.cf": "\n" + service("192.0.2.80:80")},
			"DIR/conf.d/b.cf:2:9: error: the virtual service tcp 192.0.2.80:80 is already on line 1 of DIR/conf.d/a.cf (make one section of both)",
		},
		"end of a section": {
			map[string]string{"test.cf": service("192.0.2.80:80") + "include=conf.d/*.cf\n    checkport=81\n", "conf.d/a.cf": "    checkport=81\n"},
			"DIR/test.cf:5:5: error: `checkport` is indented but in no section (the global directive `include` of line 4 ended the section above)\n" +
				"DIR/conf.d/a.cf:1:5: error: `checkport` belongs in a section (write it below a `virtual` line, indented with 4 blanks or a tab)\n" +
				"DIR/conf.d/a.cf:1:5: warning: a global directive is indented (begin it at the first column)",
		},
		"too many": {manyFiles(source.MaxFiles + 1), "DIR/test.cf:1:9: error: `conf.d/*.cf` cannot be included: more than 256 files would be included"},
		"too large": {
			map[string]string{"conf.d/a.cf": strings.Repeat("#\n", source.MaxSize/2), "conf.d/b.cf": "#\n"},
			"DIR/test.cf:1:9: error: a file cannot be included: DIR/conf.d/a.cf: the configuration has more than 16 MiB with it",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.files["test.cf"] == "" {
				tt.files["test.cf"] = "include=conf.d/*.cf\n"
			}
			dir := tree(t, tt.files)
			c, err := config.Load(t.Context(), filepath.Join(dir, "test.cf"), config.Options{})
			ps, _ := errors.AsType[config.Problems](err)
			if err == nil {
				ps = c.Warnings
			}
			if got := strings.ReplaceAll(ps.Error(), dir, "DIR"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func manyFiles(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("conf.d/%03d.cf", i)] = ""
	}
	return files
}

// An included pipe is refused at once, and include is no reason for strict to refuse
// a file: ldirectord has it as little as the other directives of shunt's own.
func TestIncludeOddFiles(t *testing.T) {
	dir := tree(t, map[string]string{"test.cf": "strict=yes\ninclude=conf.d/*\n", "conf.d/a": service("192.0.2.80:80")})
	path := filepath.Join(dir, "test.cf")
	if _, err := config.Load(t.Context(), path, config.Options{}); err != nil {
		t.Error(err)
	}
	if err := unix.Mkfifo(dir+"/conf.d/b", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(t.Context(), path, config.Options{}); err == nil || !strings.Contains(err.Error(), "conf.d/b: not a regular file") {
		t.Errorf("with a pipe: %v", err)
	}
}

// FuzzInclude holds for any file and any file that it includes: no panic, what is
// accepted can be printed and means the same then, and every problem is on a line
// that is there.
func FuzzInclude(f *testing.F) {
	f.Add([]byte(service("192.0.2.80:80")), []byte(service("192.0.2.81:80")))
	f.Add([]byte("include=b\nfallback=sorry\n"), []byte("  checktimeout=3\nvirtual=1\n  real=192.0.2.1 gate\n"))
	f.Add([]byte("    real=192.0.2.1:80 gate\n"), []byte("\uFEFF\r\nvirtual=1\r\n\tinclude=x\n"))
	f.Add([]byte("virtual=1\nvirtual=1\n"), []byte("virtual=1\ninclude=a\nsupervised"))
	f.Fuzz(func(t *testing.T, text, included []byte) {
		src := &config.Source{Name: "fuzz.cf", Text: slices.Concat([]byte("include=a\n"), text)}
		for _, pattern := range []string{"a", "b"} {
			src.Includes = append(src.Includes, &source.Include{Pattern: pattern, Path: pattern, Files: []source.File{{Path: pattern, Text: included}}})
		}
		lines := map[string]int{"fuzz.cf": bytes.Count(src.Text, []byte("\n")) + 1}
		lines["a"] = bytes.Count(included, []byte("\n")) + 1
		lines["b"] = lines["a"]
		c, err := config.ParseSource(context.Background(), src, config.Options{Resolver: testHosts})
		ps, refused := errors.AsType[config.Problems](err)
		if !refused {
			if err != nil {
				t.Fatalf("error of another type: %v", err)
			}
			ps = c.Warnings
			roundTrip(t, c)
		}
		for file := range maps.Keys(lines) {
			if of := slices.DeleteFunc(slices.Clone(ps), func(p config.Problem) bool { return p.Pos.File != file }); len(of) > 0 {
				checkLines(t, of, lines[file])
			}
		}
		if worst := slices.ContainsFunc(ps, func(p config.Problem) bool { return p.Severity == config.Error }); worst != refused {
			t.Errorf("refused is %v: %v", refused, ps)
		}
		report(t, ps)
	})
}
