package daemon

import (
	"os"
	"path/filepath"
	"testing"
)

// haveFiles sets up a working directory and the folders of ldirectord, and
// puts files into them.
func haveFiles(t *testing.T, files ...string) (root string) {
	t.Helper()
	root = t.TempDir()
	was := searched
	searched = []string{filepath.Join(root, "ha.d"), filepath.Join(root, "ha.d/conf")}
	t.Cleanup(func() { searched = was })
	for _, dir := range []string{"ha.d/conf", "ha.d/sub", "work/sub"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(root, "work"))
	return root
}

// TestFindConfig: a name with a slash is that path, wherever else there is a
// file that ldirectord would take; a bare name is looked for as ldirectord
// does.
func TestFindConfig(t *testing.T) {
	root := haveFiles(t, "ha.d/a.cf", "ha.d/conf/a.cf", "work/a.cf", "ha.d/conf/b.cf", "work/b.cf", "work/c.cf",
		"ha.d/sub/d.cf", "work/sub/d.cf", "ha.d/only.cf", "ha.d/sub/only.cf")
	for name, want := range map[string]struct{ path, passed string }{
		"a.cf":                                 {"ha.d/a.cf", "work/a.cf"},
		"b.cf":                                 {"ha.d/conf/b.cf", "work/b.cf"},
		"c.cf":                                 {"work/c.cf", ""},
		"only.cf":                              {"ha.d/only.cf", ""},
		"./a.cf":                               {"work/a.cf", ""},
		"./b.cf":                               {"work/b.cf", ""},
		"sub/d.cf":                             {"work/sub/d.cf", ""},
		"sub/../a.cf":                          {"work/a.cf", ""},
		"../ha.d/a.cf":                         {"ha.d/a.cf", ""},
		filepath.Join(root, "work/a.cf"):       {"work/a.cf", ""},
		filepath.Join(root, "ha.d/a.cf"):       {"ha.d/a.cf", ""},
		root + "//work/./sub//../../work/c.cf": {"work/c.cf", ""},
	} {
		got, err := FindConfig(name)
		if err != nil || got != filepath.Join(root, want.path) {
			t.Errorf("%s: %q, %v, want %s", name, got, err, want.path)
		}
		passed := PassedOver(name, got)
		if want.passed != "" {
			want.passed = filepath.Join(root, want.passed)
		}
		if passed != want.passed {
			t.Errorf("%s: %q is said to be passed over, want %q", name, passed, want.passed)
		}
	}
}

func TestFindConfigNone(t *testing.T) {
	root := haveFiles(t, "ha.d/only.cf", "ha.d/sub/only.cf", "work/my.cf")
	for name, want := range map[string]string{
		".":            "configuration .: not a regular file",
		"nothere.cf":   "configuration nothere.cf: not found in " + root + "/ha.d, " + root + "/ha.d/conf or the working directory",
		"/nowhere/a":   "configuration: stat /nowhere/a: no such file or directory",
		"my.cf/within": "configuration: stat my.cf/within: not a directory",
		"./only.cf":    "configuration: stat ./only.cf: no such file or directory",
		"sub/only.cf":  "configuration: stat sub/only.cf: no such file or directory",
		"/only.cf":     "configuration: stat /only.cf: no such file or directory",
	} {
		if got, err := FindConfig(name); err == nil || err.Error() != want {
			t.Errorf("%s: got %q, %v, want %s", name, got, err, want)
		}
	}
}
