package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/internal/test/need"
)

// TestExposed: a program that others may change is named once, with its mode and the
// command to type; others are not.
func TestExposed(t *testing.T) {
	const dir = "%DIR%"
	for _, tt := range []struct {
		name   string
		path   string // that changes its mode or owner
		mode   os.FileMode
		owner  int
		expect string
	}{
		{"well", "a/program", 0o755, 0, ""},
		{"by everybody", "a/program", 0o757, 0, "`notify`: %DIR%/a/program: everybody may change it (mode 0757), and decides what shunt runs; type: chmod go-w %DIR%/a/program"},
		{"by a group", "a/program", 0o775, 1234, "`notify`: %DIR%/a/program: group 1234 may change it (mode 0775), and decides what shunt runs; type: chmod go-w %DIR%/a/program"},
		{"by the group of root", "a/program", 0o775, 0, ""},
		{"folder", "a", 0o777, 0, "`notify`: %DIR%/a/program, by way of %DIR%/a: everybody may change it (mode 0777), and decides what shunt runs; type: chmod go-w %DIR%/a"},
		{"sticky folder", "a", 0o777 | os.ModeSticky, 0, ""},
		{"of another user", "a/program", 0o755, -4321, "`notify`: %DIR%/a/program: it belongs to user 4321, who may change it, and decides what shunt runs; type: chown root %DIR%/a/program"},
		{"folder of another user", "a", 0o755, -4321, "`notify`: %DIR%/a/program, by way of %DIR%/a: it belongs to user 4321, who may change it, and decides what shunt runs; type: chown root %DIR%/a"},
		{"the file", "test.cf", 0o666, 0, "this file: %DIR%/test.cf: everybody may change it (mode 0666), and decides what shunt runs; type: chmod go-w %DIR%/test.cf"},
		{"unused", "a/callback", 0o777, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.owner != 0 || tt.mode == 0o775 {
				need.Root(t) // it changes owners
			}
			root := t.TempDir()
			for _, name := range []string{"a/program", "a/callback", "test.cf"} {
				path := filepath.Join(root, name)
				_ = os.Mkdir(filepath.Dir(path), 0o755) // the second time it is there
				if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(root, tt.path)
			if tt.owner > 0 {
				mustDo(t, os.Chown(path, -1, tt.owner))
			} else if tt.owner < 0 {
				mustDo(t, os.Chown(path, -tt.owner, -1))
			}
			mustDo(t, os.Chmod(path, tt.mode))
			conf := &config.Config{Path: filepath.Join(root, "test.cf"), Global: config.Global{Settings: config.Settings{Notify: root + "/a/program --now"}}, Virtuals: make([]config.Virtual, 3)}
			for i := range conf.Virtuals {
				conf.Virtuals[i].Notify = conf.Global.Notify
			}
			var got []string
			for _, p := range exposed(conf, false) {
				got = append(got, strings.ReplaceAll(p.Text+"; "+p.Hint, root, dir))
			}
			if s := strings.Join(got, "\n"); s != tt.expect {
				t.Errorf("got  %s\nwant %s", s, tt.expect)
			}
		})
	}
}

// Each directive that names a program has it looked at, globally or in a service.
func TestExposedByDirective(t *testing.T) {
	need.Root(t) // the folders above belong to root
	open := filepath.Join(t.TempDir(), "program")
	mustDo(t, os.WriteFile(open, []byte("#!/bin/sh\n"), 0o755))
	mustDo(t, os.Chmod(open, 0o757))
	for directive, set := range map[string]func(*config.Config){
		"callback": func(c *config.Config) { c.Global.Callback = open },
		"checkcommand": func(c *config.Config) {
			c.Virtuals[0].CheckType, c.Virtuals[0].CheckCommand = config.CheckExternal, open
		},
		"fallbackcommand": func(c *config.Config) { c.Virtuals[0].FallbackCommand = open },
		"notify":          func(c *config.Config) { c.Virtuals[0].Notify = open + " x" },
		"quorumup":        func(c *config.Config) { c.Virtuals[0].QuorumUp = `"` + open + `" x` },
		"quorumdown":      func(c *config.Config) { c.Global.QuorumDown = open },
	} {
		conf := &config.Config{Path: "/", Virtuals: make([]config.Virtual, 1)}
		set(conf)
		for _, strict := range []bool{false, true} {
			found := exposed(conf, strict)
			if len(found) != 1 || !strings.HasPrefix(found[0].Text, "`"+directive+"`: "+open+": everybody") || (found[0].Severity == config.Error) != strict {
				t.Errorf("%s, strict %v: %v", directive, strict, found)
			}
		}
	}
}

func TestProgram(t *testing.T) {
	for command, want := range map[string]string{
		"/usr/bin/page --now": "/usr/bin/page", `"/usr/bin/page" x`: "/usr/bin/page", "page;true": "page", "$PAGER x": "", "A=b page": "", "": "",
	} {
		if got := program(command); got != want {
			t.Errorf("%q begins with %q, want %q", command, got, want)
		}
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
