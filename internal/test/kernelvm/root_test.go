package kernelvm

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestPlace(t *testing.T) {
	for name, want := range map[string]string{
		"/":                  "",
		"/etc/passwd":        "etc/passwd",
		"etc//x/../passwd":   "etc/passwd",
		"/bin":               "bin",
		"/bin/sh":            "usr/bin/sh",
		"/usr/bin/sh":        "usr/bin/sh",
		"lib64/ld-linux.so":  "usr/lib64/ld-linux.so",
		"/binary/x":          "binary/x",
		"../../etc/passwd":   "etc/passwd",
		"/var/lib/x":         "var/lib/x",
		"/sbin/../etc/hosts": "etc/hosts",
	} {
		if got := place(name); got != want {
			t.Errorf("place(%q) = %q, want %q", name, got, want)
		}
	}
}

// touch makes a file of the host, with the folders that lead to it.
func touch(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
}

// contents returns what files and links of r hold, and "/" for folders.
func contents(t *testing.T, r root) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, e := range r {
		body := e.content
		if e.file != "" {
			var err error
			if body, err = os.ReadFile(e.file); err != nil {
				t.Fatal(err)
			}
		}
		all[name] = string(body)
		if e.Mode&unix.S_IFMT == unix.S_IFDIR {
			all[name] = "/"
		}
	}
	return all
}

func TestHost(t *testing.T) {
	dir := t.TempDir()
	touch(t, filepath.Join(dir, "bin/tool"), "tool")
	touch(t, filepath.Join(dir, "usr/bin/other"), "other")
	touch(t, filepath.Join(dir, "etc/hosts"), "theirs")
	if err := os.Symlink("tool", filepath.Join(dir, "bin/alias")); err != nil {
		t.Fatal(err)
	}
	r := root{}
	r.link("bin", "usr/bin")
	r.bytes("etc/hosts", 0o644, []byte("ours"))
	if err := r.host("/", dir); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"bin": "usr/bin", "usr": "/", "usr/bin": "/", "usr/bin/tool": "tool", "usr/bin/other": "other",
		"usr/bin/alias": "tool", "etc": "/", "etc/hosts": "theirs",
	}
	if diff := cmp.Diff(want, contents(t, r)); diff != "" {
		t.Error(diff)
	}
	if got := r["etc/hosts"].Mode; got != unix.S_IFREG|0o640 {
		t.Errorf("mode %o", got)
	}
}

func TestHostFollowsTheLinkItIsGiven(t *testing.T) {
	dir := t.TempDir()
	touch(t, filepath.Join(dir, "real"), "content")
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	r := root{}
	if err := r.host("/opt/file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"opt": "/", "opt/file": "content"}
	if diff := cmp.Diff(want, contents(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestHostRefuses(t *testing.T) {
	if err := (root{}).host("x", filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file was added")
	}
	if err := (root{}).host("x", os.DevNull); err == nil {
		t.Error("a device was added")
	}
}

func TestFoldersComeBeforeWhatIsInThem(t *testing.T) {
	r, err := newRoot()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{".": true}
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if dir := filepath.Dir(name); !seen[dir] {
			t.Errorf("%s comes before %s", name, dir)
		}
		seen[name] = true
	}
	for _, name := range []string{"/etc/passwd", "/etc/services", "/bin", "/usr/sbin", "/dev/console", "/tmp"} {
		if !r.has(name) {
			t.Errorf("%s is not there", name)
		}
	}
}

func TestRunnable(t *testing.T) {
	dynamic, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	r := root{}
	r.bytes("script", 0o755, []byte("#!/bin/sh\n"))
	if err := r.host("shell", dynamic); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"/script":  "",
		"/missing": "/missing is not in the machine",
		"/shell":   "/shell is linked dynamically: build it with CGO_ENABLED=0",
	} {
		got := ""
		if err := r.runnable(name); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: error %q, want %q", name, got, want)
		}
	}
}
