package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// With autoreload a file that is put into an included folder is served, one that is
// wrong leaves all others in force and is named, and one that goes takes its service
// with it.
func TestIncludedFolderReloads(t *testing.T) {
	b := set(t, "autoreload = yes\ninclude = conf.d/*.cf\nvirtual = %VIP%\n\tservice = none\n\tchecktype = connect\n\treal = %REAL% masq\n\tdataplane = proxy\n", "conf.d")
	status := func() director.Status {
		t.Helper()
		s, err := b.director.Status(t.Context())
		mustDo(t, err)
		return s
	}
	services := func() int { return len(status().Services) }
	put := func(name, text string) {
		t.Helper()
		mustDo(t, os.WriteFile(filepath.Join(b.dir, "conf.d", name), []byte(text), 0o600))
	}
	put("a.cf", "virtual = 127.0.0.1:1\n\tfallback = sorry\n\tdataplane = proxy\n")
	wait.Until(t, "two services", func() bool { return services() == 2 })
	put("b.cf", "virtual = 127.0.0.1:2\n\tschedular = rr\n")
	wait.Until(t, "the mistake is told", func() bool {
		return strings.Contains(status().Config.ReloadError, filepath.Join(b.dir, "conf.d", "b.cf")+":2:2: error: unknown directive `schedular`")
	})
	if n := services(); n != 2 {
		t.Errorf("%d services after a file with a mistake, want the two from before", n)
	}
	mustDo(t, os.Remove(filepath.Join(b.dir, "conf.d", "b.cf")))
	mustDo(t, os.Remove(filepath.Join(b.dir, "conf.d", "a.cf")))
	wait.Until(t, "one service", func() bool { return services() == 1 && status().Config.ReloadError == "" })
}

// Passwords in an included file that others may read are told with that file, and
// who may change it, or its folder, is told as with the file itself.
func TestIncludedFilesAreJudged(t *testing.T) {
	need.Root(t) // the folders above belong to root
	dir := t.TempDir()
	for _, name := range []string{"closed", "open"} {
		mustDo(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		mustDo(t, os.WriteFile(filepath.Join(dir, name, "a.cf"), []byte("virtual = 127.0.0.1:1\n\tservice = ftp\n\treal = 127.0.0.2:1 masq\n\tlogin = \"x\"\n\tpasswd = \"hush\"\n"), 0o644))
	}
	mustDo(t, os.Chmod(filepath.Join(dir, "open"), 0o777))
	for name, want := range map[string]string{
		"closed": "",
		"open": filepath.Join(dir, "test.cf") + ":1:1: warning: `include`: " + filepath.Join(dir, "open") +
			": everybody may change it (mode 0777), and decides what shunt runs (type: chmod go-w " + filepath.Join(dir, "open") + ")\n",
	} {
		src := config.NewSource(filepath.Join(dir, "test.cf"), []byte("include = "+name+"/*.cf\n"))
		mustDo(t, os.WriteFile(src.Name, src.Text, 0o600))
		conf, err := Check(t.Context(), src, config.Options{}, onProxy)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name, "a.cf")
		want += file + ":5:2: warning: `passwd` is in a file that others than its owner may read (chmod 600 " + file + ")"
		if got := conf.Warnings.Error(); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		if line := conf.Warnings[len(conf.Warnings)-1].Line; line != "\tpasswd =***" {
			t.Errorf("%s: the line is shown as %q", name, line)
		}
	}
}
