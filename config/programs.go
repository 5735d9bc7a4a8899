package config

import (
	"fmt"
	"os"
	"strings"
)

// callback is run as it is: the whole value is the name of a program.
var callback = noticed(text(func(t target) *string { return &t.g.Callback }), func(f *field, t target) {
	if program := t.g.Callback; !executable(program) {
		hint := "nothing is run until it is there and may be run"
		if strings.Contains(program, " ") {
			hint = "the whole value is the name of the program: it gets no arguments of yours"
		}
		f.warn(f.valAt, "there is no program "+program, hint)
	}
})

// warnMissingProgram warns of a command of the shell that begins with the path of
// a program which is not there.
func warnMissingProgram(f *field, command string) {
	program := firstWord(strings.TrimLeft(command, " \t\"'"))
	program = strings.TrimRight(program, "\"';&|)")
	if strings.HasPrefix(program, "/") && !strings.ContainsAny(program, "$`*?") && !executable(program) {
		f.warn(f.valAt, fmt.Sprintf("there is no program %s", program), "the command fails until it is there and may be run")
	}
}

// executable reports whether path is a file that somebody may run.
func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
