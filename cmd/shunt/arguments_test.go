package main

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
	"pgregory.net/rapid"
)

// TestArrangeProperty: for every command, flags may stand in any order before,
// between and behind the arguments, with "=" or without: the library gets the same.
func TestArrangeProperty(t *testing.T) {
	leaves := leafCommands(nil, newApp(io.Discard, io.Discard).Commands)
	rapid.Check(t, func(t *rapid.T) {
		leaf := rapid.SampledFrom(leaves).Draw(t, "command")
		var flags, want []string
		line := leaf.path
		for n := range rapid.IntRange(0, 5).Draw(t, "words") {
			if word := rapid.SampledFrom([]string{"a.cf", "10.0.0.1:80", "-", "x=y"}).Draw(t, "word"); len(leaf.flags) == 0 || rapid.Bool().Draw(t, "argument") {
				line, want = append(line, word), append(want, word)
				continue
			}
			f := rapid.SampledFrom(leaf.flags).Draw(t, "flag")
			name := rapid.SampledFrom(f.Names()).Draw(t, "name")
			switch value := rapid.SampledFrom([]string{"v", "", "-1", "a=b"}).Draw(t, "value"); {
			case !takesValue(f):
				line, flags = append(line, dashed(name)), append(flags, dashed(name))
			case n%2 == 0:
				line, flags = append(line, dashed(name)+"="+value), append(flags, dashed(name)+"="+value)
			default:
				line, flags = append(line, dashed(name), value), append(flags, dashed(name)+"="+value)
			}
		}
		expected := slices.Concat([]string{"shunt"}, leaf.path, flags)
		if len(want) > 0 {
			expected = append(append(expected, "--"), want...)
		}
		got, err := arrange(newApp(io.Discard, io.Discard), append([]string{"shunt"}, line...))
		if diff := cmp.Diff(expected, got); err != nil || diff != "" {
			t.Fatalf("%q: %v (-want +got)\n%s", line, err, diff)
		}
	})
}

// A leaf is a command without commands of its own.
type leaf struct {
	path  []string
	flags []cli.Flag
}

func leafCommands(path []string, commands []*cli.Command) (leaves []leaf) {
	for _, c := range commands {
		p := append(slices.Clone(path), c.Name)
		if len(c.Subcommands) == 0 {
			leaves = append(leaves, leaf{slices.Clip(p), c.Flags})
		}
		leaves = append(leaves, leafCommands(p, c.Subcommands)...)
	}
	return leaves
}

// TestEveryCommandHasHelp: asked for in any of three ways it is printed to standard
// output, with success.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, l := range leafCommands(nil, newApp(io.Discard, io.Discard).Commands) {
		for _, args := range [][]string{slices.Concat(l.path, []string{"--help"}), slices.Concat(l.path, []string{"x", "-h"}), slices.Concat([]string{"help"}, l.path)} {
			var stdout, stderr bytes.Buffer
			if code := run(slices.Concat([]string{"shunt"}, args), &stdout, &stderr); code != 0 || stdout.Len() == 0 || stderr.Len() > 0 {
				t.Errorf("%q exits with %d, and prints %d bytes and the error %q", args, code, stdout.Len(), &stderr)
			}
		}
	}
}
