package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
)

// TestCompletion: real shells complete commands, further commands and options from the
// scripts, and every command and option is in them.
func TestCompletion(t *testing.T) {
	ask := map[string]func(script string, words ...string) []string{
		"bash": func(script string, words ...string) []string {
			return []string{"bash", "-c", `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shunt; printf '%s\n' "${COMPREPLY[@]}"`, script, words[0]}
		},
		"zsh": func(script string, words ...string) []string {
			// Of zsh's completion what offers words is the test's.
			return []string{"zsh", "-f", "-c", `compdef() { }; compadd() { shift; print -l -- "${(@M)@:#${words[CURRENT]}*}" }; _files() { }
source "$0"; words=("$@"); CURRENT=$#; _shunt`, script, words[0]}
		},
		"fish": func(script string, words ...string) []string {
			return []string{"fish", "--no-config", "-c", `source $argv[1]; complete -C "$argv[2..]"`, script, words[0]}
		},
	}
	for shell, command := range ask {
		need.Programs(t, shell)
		script := filepath.Join(t.TempDir(), "shunt."+shell)
		out, err := exec.Command(shuntBinary, "completion", shell).Output()
		if err != nil {
			t.Fatal(err)
		}
		write(t, script, string(out))
		for _, c := range []struct {
			line []string
			want string // one of the words that are offered
			not  string
		}{
			{[]string{"shunt", "st"}, "status", "reload"},
			{[]string{"shunt", "ex"}, "explain", "man"},
			{[]string{"shunt", "config", "sh"}, "show", "check"},
			{[]string{"shunt", "drain", "--wa"}, "--wait", "--watch"},
			{[]string{"shunt", "reload", "--dr"}, "--dry-run", "--json"},
			{[]string{"shunt", "realserver", "apply", "--v"}, "--vip", "--version"},
			{[]string{"shunt", "run", "--dataplane", "ipvs", "--adm"}, "--admin-write", "--config"},
		} {
			args := command(script, c.line...)
			out, err := exec.Command(args[0], append(args[1:], c.line[1:]...)...).CombinedOutput()
			var offered []string
			for line := range strings.Lines(string(out)) {
				word, _, _ := strings.Cut(strings.TrimSpace(line), "\t") // fish says what it is for
				offered = append(offered, word)
			}
			if err != nil || !slices.Contains(offered, c.want) || slices.Contains(offered, c.not) {
				t.Errorf("%s offers %q for %q, %v, want %s and not %s", shell, offered, c.line, err, c.want, c.not)
			}
		}
		for _, p := range placesOf(newApp(nil, nil).Commands, nil) {
			for _, word := range p.words() {
				if !strings.Contains(string(out), strings.TrimLeft(word, "-")) {
					t.Errorf("the script for %s has no %s of %q", shell, word, p.path)
				}
			}
		}
	}
}
