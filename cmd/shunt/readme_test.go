package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// Every command that README.md shows in a block works as it is written, one
// block after the other, in a folder where bin/shunt is. It has a network of its
// own, in which the ports that README.md names are free.
func TestREADME(t *testing.T) {
	if !netlab.Inside(t) {
		return
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(shuntBinary, filepath.Join(dir, "bin", "shunt")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "site.cf"), walkthroughCF)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &shell{t: t, ctx: ctx, dir: dir}
	defer s.wait(cancel)
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllSubmatch(text, -1) {
		s.block(string(block[1]))
	}
	if s.ran < 7 {
		t.Errorf("only %d blocks were found", s.ran)
	}
}

// A shell runs the blocks of a document.
type shell struct {
	t          *testing.T
	ctx        context.Context
	dir        string
	ran        int
	background []*exec.Cmd
}

func (s *shell) block(text string) {
	s.t.Helper()
	s.ran++
	// The file of an LVS user is at a place where a test may not write.
	text = strings.ReplaceAll(text, "/etc/ha.d/ldirectord.cf", "site.cf")
	text = strings.TrimPrefix(text, "make\n") // TestMain has built it
	cmd := exec.CommandContext(s.ctx, "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "SHUNT_CONTROL="+filepath.Join(s.dir, "control.sock"))
	cmd.WaitDelay = time.Second
	inGroup(cmd)
	if strings.HasPrefix(text, "bin/shunt run") {
		s.start(cmd)
		return
	}
	if strings.HasSuffix(strings.SplitN(text, "\n", 2)[0], "&") {
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		s.background = append(s.background, cmd)
		if err := cmd.Run(); err != nil {
			s.t.Fatalf("%s\n%v", text, err)
		}
		return
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s\n%v\n%s", text, err, out)
	} else {
		s.t.Logf("$ %s\n%s", text, out)
	}
}

// start runs the director in the background and waits until it serves.
func (s *shell) start(cmd *exec.Cmd) {
	s.t.Helper()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.background = append(s.background, cmd)
	// Nobody types the next command before this.
	wait.Until(s.t, "the service of the example", func() bool { return listening("127.0.0.1:8080") })
}

// wait ends what runs in the background, by process group.
func (s *shell) wait(cancel func()) {
	for _, cmd := range s.background {
		killGroup(cmd)
	}
	cancel()
	for _, cmd := range s.background {
		_ = cmd.Wait()
	}
}

// No command that README.md shows for its own example means the file of an
// LVS user, who has one of the same name in /etc/ha.d.
func TestREADMENamesPaths(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^bin/shunt .*?([^ ]+\.cf)$`).FindAllSubmatch(text, -1)
	for _, m := range commands {
		if name := string(m[1]); !strings.Contains(name, "/") {
			t.Errorf("`%s` may mean /etc/ha.d/%s", m[0], name)
		}
	}
	if len(commands) < 5 {
		t.Errorf("only %d commands were found", len(commands))
	}
}

// Every make target that README.md and CONTRIBUTING.md show exists.
func TestMakeTargets(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"README.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)(?:^    |`)make ([a-z-]+)").FindAllSubmatch(text, -1) {
			if !regexp.MustCompile(`(?m)^([a-z-]+ )*` + string(m[1]) + `( [a-z-]+)*:`).Match(makefile) {
				t.Errorf("%s shows `make %s`, which does not exist", doc, m[1])
			}
		}
	}
}

// Every command that a document names is there, so that nobody types one at night
// that is not.
func TestDocumentsNameCommands(t *testing.T) {
	app := newApp(io.Discard, io.Discard)
	for _, name := range []string{"README.md", "CONFIGURATION.md", "METRICS.md", "ARCHITECTURE.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`(?:bin/)?shunt ([a-z]+)(?: ([a-z]+)\\b)?").FindAllSubmatch(text, -1) {
			words := app.Commands
			for _, word := range m[1:] {
				i := slices.IndexFunc(words, func(c *cli.Command) bool { return c.Name == string(word) })
				if len(words) > 0 && len(word) > 0 && i < 0 {
					t.Errorf("%s names a command %s`, which is not there", name, m[0])
				}
				if i < 0 {
					break
				}
				words = words[i].Subcommands
			}
		}
	}
}
