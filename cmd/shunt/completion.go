package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", ArgsUsage: "bash|zsh|fish", Usage: "print a script that has a shell complete commands and options",
		Description: "The packages install it. For one shell alone:\n\n" +
			"   bash:  source <(shunt completion bash)\n" +
			"   zsh:   source <(shunt completion zsh)\n" +
			"   fish:  shunt completion fish | source",
		Action: func(c *cli.Context) error {
			write := map[string]func(io.Writer, []place){"bash": bash, "zsh": zsh, "fish": fish}[c.Args().First()]
			if c.NArg() != 1 || write == nil {
				return usage("completion takes bash, zsh or fish: see shunt completion --help")
			}
			write(c.App.Writer, placesOf(c.App.Commands, nil))
			return nil
		},
	}
}

// A place is where a word of a command line stands: behind some commands.
type place struct {
	path     []string
	commands []*cli.Command // that may follow
	flags    []flagWords
}

// A flagWords is one option.
type flagWords struct {
	names []string // with their dashes
	usage string
	value bool // a value follows
}

// placesOf returns those behind path, and all further ones.
func placesOf(commands []*cli.Command, path []string) []place {
	visible := slices.DeleteFunc(slices.Clone(commands), func(c *cli.Command) bool { return c.Hidden || c.Name == "help" })
	here := place{path: path, commands: visible}
	all := []place{here}
	for _, c := range visible {
		more := placesOf(c.Subcommands, append(slices.Clone(path), c.Name))
		more[0].flags = flagsOf(c)
		all = append(all, more...)
	}
	return all
}

func flagsOf(c *cli.Command) (all []flagWords) {
	for _, f := range c.Flags {
		if f.Names()[0] == cli.HelpFlag.Names()[0] {
			continue // the library adds it to the command that runs
		}
		one := flagWords{}
		for _, name := range f.Names() {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			one.names = append(one.names, dashes+name)
		}
		if d, ok := f.(cli.DocGenerationFlag); ok {
			one.usage, one.value = strings.ReplaceAll(d.GetUsage(), "`", ""), d.TakesValue()
		}
		all = append(all, one)
	}
	return append(all, flagWords{names: []string{"--help"}, usage: "show help"})
}

// words are what may stand in a place.
func (p place) words() (all []string) {
	for _, c := range p.commands {
		all = append(all, c.Name)
	}
	for _, f := range p.flags {
		all = append(all, f.names...)
	}
	return all
}

// cases writes what bash and zsh have in common: from the words before the cursor, which
// the loop goes over, to the list of those that may follow.
func cases(w io.Writer, places []place, before string) {
	fmt.Fprintf(w, "_shunt() {\n\tlocal at= word list=\n\tfor word in %s; do\n\t\tcase \"$at $word\" in\n", before)
	for _, p := range places[1:] {
		fmt.Fprintf(w, "\t\t\" %s\") at=\"$at $word\" ;;\n", strings.Join(p.path, " "))
	}
	fmt.Fprint(w, "\t\tesac\n\tdone\n\tcase \"$at\" in\n")
	for _, p := range places {
		at := strings.Join(append([]string{""}, p.path...), " ")
		fmt.Fprintf(w, "\t%q) list=%q ;;\n", at, strings.Join(p.words(), " "))
	}
	fmt.Fprint(w, "\tesac\n")
}

// bash writes the script for bash. Where nothing fits it completes names of files.
func bash(w io.Writer, places []place) {
	cases(w, places, `"${COMP_WORDS[@]:1:COMP_CWORD-1}"`)
	fmt.Fprint(w, "\tCOMPREPLY=($(compgen -W \"$list\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o bashdefault -o default -F _shunt shunt\n")
}

// zsh writes the script for zsh, to be sourced or to be a file of its fpath.
func zsh(w io.Writer, places []place) {
	fmt.Fprint(w, "#compdef shunt\n")
	cases(w, places, `"${(@)words[2,CURRENT-1]}"`)
	fmt.Fprint(w, "\tcompadd -- ${=list}\n\t_files\n}\nif [[ ${funcstack[1]} == _shunt ]]; then _shunt; else compdef _shunt shunt; fi\n")
}

// fish writes the script for fish.
func fish(w io.Writer, places []place) {
	quoted := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	for _, p := range places {
		when := "__fish_use_subcommand"
		if len(p.path) > 0 {
			when = "__fish_seen_subcommand_from " + strings.Join(p.path, "; and __fish_seen_subcommand_from ")
		}
		for _, c := range p.commands {
			fmt.Fprintf(w, "complete -c shunt -f -n %s -a %s -d %s\n", quoted(when), c.Name, quoted(c.Usage))
		}
		for _, f := range p.flags {
			fmt.Fprintf(w, "complete -c shunt -n %s -d %s", quoted(when), quoted(f.usage))
			for _, name := range f.names {
				if long, ok := strings.CutPrefix(name, "--"); ok {
					fmt.Fprint(w, " -l ", long)
				} else {
					fmt.Fprint(w, " -s ", name[1:])
				}
			}
			if f.value {
				fmt.Fprint(w, " -r")
			}
			fmt.Fprintln(w)
		}
	}
}
