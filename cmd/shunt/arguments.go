package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/internal/similar"
)

// arrange returns a command line as the library reads it, with the flags of each
// command before its arguments. They may stand in any order behind the command, up
// to "--". A word that is no command and no flag is a usage error, which names the
// nearest one; so is a flag without its value. "help" before a command means
// --help behind it.
func arrange(app *cli.App, args []string) ([]string, error) {
	app.Setup()
	l := &line{commands: app.Commands, flags: app.Flags, arranged: []string{app.Name}}
	for args = args[min(1, len(args)):]; len(args) > 0; {
		var err error
		if args, err = l.take(args[0], args[1:]); err != nil {
			return nil, err
		}
	}
	return l.close(), nil
}

// A line is a command line that is read word by word.
type line struct {
	path     []string       // the commands that were named
	commands []*cli.Command // those that may be named next
	flags    []cli.Flag     // those of the last command
	help     bool           // help was asked for

	arranged     []string // what is certain
	named, words []string // flags and arguments of the last command
}

// take reads a word and returns those that are left to read.
func (l *line) take(word string, rest []string) ([]string, error) {
	switch {
	case word == "--" && len(l.commands) == 0:
		l.words = append(l.words, rest...)
		return nil, nil
	case len(word) > 1 && word[0] == '-':
		return l.flag(word, rest)
	case len(l.commands) > 0:
		return rest, l.command(word)
	}
	l.words = append(l.words, word)
	return rest, nil
}

func (l *line) command(word string) error {
	if word == "help" {
		l.help = true
		return nil
	}
	i := slices.IndexFunc(l.commands, func(c *cli.Command) bool { return c.HasName(word) })
	if i < 0 {
		nearest := similar.Word(word, commandNames(l.commands))
		if nearest != "" {
			nearest = strconv.Quote(nearest)
		}
		return usage("%s%s", l.missing("no command is called", "has no command", strconv.Quote(word)), l.instead(nearest))
	}
	l.arranged = append(append(l.arranged, l.named...), word)
	l.path, l.named = append(l.path, word), nil
	l.commands, l.flags = l.commands[i].Subcommands, l.commands[i].Flags
	return nil
}

func (l *line) flag(word string, rest []string) ([]string, error) {
	name, value, given := strings.Cut(strings.TrimPrefix(word[1:], "-"), "=")
	f := flagOf(l.flags, name)
	switch {
	case f == nil && anyHas(l.commands, name):
		return nil, usage("%s stands behind its command: see shunt --help", word)
	case f == nil:
		nearest := similar.Word(name, flagNames(l.flags))
		if nearest != "" {
			nearest = dashed(nearest)
		}
		return nil, usage("%s%s", l.missing("no flag is called", "has no flag", dashed(name)), l.instead(nearest))
	case f == cli.HelpFlag:
		l.help = true
		return rest, nil
	case !takesValue(f) && !given:
		l.named = append(l.named, dashed(name))
		return rest, nil
	case given:
		l.named = append(l.named, dashed(name)+"="+value)
		return rest, nil
	case len(rest) == 0:
		return nil, usage("%s wants a value: see %s", word, l.helpLine())
	case strings.HasPrefix(rest[0], "--") && flagOf(l.flags, rest[0][2:]) != nil:
		return nil, usage("%s wants a value, and %s is a flag: write %s=VALUE", word, rest[0], word)
	}
	l.named = append(l.named, dashed(name)+"="+rest[0])
	return rest[1:], nil
}

// close returns the command line. Help needs no arguments.
func (l *line) close() []string {
	if l.help {
		return append(l.arranged, dashed(helpFlag))
	}
	if len(l.words) > 0 {
		l.named = append(l.named, "--")
	}
	return slices.Concat(l.arranged, l.named, l.words)
}

// missing says that shunt, or the last command, has no word.
func (l *line) missing(shunt, command, word string) string {
	if len(l.path) == 0 {
		return shunt + " " + word
	}
	return strings.Join(l.path, " ") + " " + command + " " + word
}

// instead says what may have been meant, or where to look.
func (l *line) instead(nearest string) string {
	if nearest == "" {
		return ": see " + l.helpLine()
	}
	return ": did you mean " + nearest + "?"
}

// helpLine is the command that explains the last one.
func (l *line) helpLine() string {
	return strings.Join(append(append([]string{"shunt"}, l.path...), "--help"), " ")
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// helpFlag is among the flags of every command; the library adds it when it runs one.
const helpFlag = "help"

func flagOf(flags []cli.Flag, name string) cli.Flag {
	flags = append(slices.Clip(flags), cli.HelpFlag)
	i := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if i < 0 {
		return nil
	}
	return flags[i]
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// anyHas reports whether one of the commands, or of their own commands, has a flag.
func anyHas(commands []*cli.Command, name string) bool {
	return slices.ContainsFunc(commands, func(c *cli.Command) bool {
		return flagOf(c.Flags, name) != nil || anyHas(c.Subcommands, name)
	})
}

func commandNames(commands []*cli.Command) []string {
	names := []string{helpFlag}
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

func flagNames(flags []cli.Flag) []string {
	names := []string{helpFlag}
	for _, f := range flags {
		names = append(names, f.Names()[0]) // a letter is like any other
	}
	return names
}
