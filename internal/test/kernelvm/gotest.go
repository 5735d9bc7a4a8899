package kernelvm

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// grace is how much longer than its own time limit a test binary may run: it
// says where it hung first.
const grace = 30 * time.Second

// outputFiles and outputDirs are flags of test binaries that name what is
// written for the caller of go test.
var (
	outputFiles = []string{"coverprofile", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace"}
	outputDirs  = []string{"outputdir", "gocoverdir"}
)

// passed are variables of the environment that a test in a machine sees as
// they are. All others have the machine's own values.
var passed = []string{"CI", "TZ", "GODEBUG", "GORACE", "GOTRACEBACK", "GOMAXPROCS", "GOGC", "GOMEMLIMIT"}

// A Test is a test binary as go test starts it.
type Test struct {
	Command
	Files []File        // what it needs in the machine
	Limit time.Duration // its own time limit and a bit more; 0 for none
}

// NewTest returns how the test binary args[0] runs in a machine as it would
// run here, in the working directory: with the testdata there, and with its
// profiles ending up where the flags say. Of the environment it gets what
// tests look at, and the variables named in env.
func NewTest(args, env []string) (Test, error) {
	here, err := os.Getwd()
	if err != nil {
		return Test{}, err
	}
	binary := path.Join("/test", filepath.Base(args[0]))
	t := Test{
		Command: Command{Args: []string{binary}, Dir: here, Env: Environment(append(env, passed...))},
		Files:   []File{{Host: args[0], Guest: binary}},
	}
	if data := filepath.Join(here, "testdata"); isDir(data) {
		t.Files = append(t.Files, File{Host: data, Guest: data})
	}
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		t.Env = append(t.Env, "GOCOVERDIR="+t.output(here, dir))
	}
	return t, t.translate(args[1:], here)
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// Environment returns the environment of a program in a machine: its own, and
// the variables of this one that are named.
func Environment(names []string) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "USER=root",
		"TMPDIR=/tmp", "LANG=C.UTF-8",
	}
	for _, name := range names {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// translate makes arguments of the host those of the guest.
func (t *Test) translate(args []string, here string) error {
	out := here
	for _, a := range args {
		if name, value := split(a); name == "outputdir" {
			out = value
		}
	}
	for i, a := range args {
		name, value := split(a)
		switch {
		case a == "--":
			t.Args = append(t.Args, args[i:]...)
			return nil
		case name == "testlogfile":
			continue // without it the result is not cached: it depends on more than go test knows
		case value == "":
		case slices.Contains(outputDirs, name):
			a = "-test." + name + "=" + t.output(here, value)
		case slices.Contains(outputFiles, name):
			a = "-test." + name + "=" + t.output(out, value)
		case name == "timeout":
			if err := t.limit(value); err != nil {
				return err
			}
		}
		t.Args = append(t.Args, a)
	}
	return nil
}

// split takes a flag of a test binary apart: -test.name=value.
func split(arg string) (name, value string) {
	flag, ok := strings.CutPrefix(strings.TrimPrefix(arg, "-"), "-test.")
	if !ok {
		flag, ok = strings.CutPrefix(arg, "-test.")
	}
	if !ok {
		return "", ""
	}
	name, value, _ = strings.Cut(flag, "=")
	return name, value
}

// output has what the test writes to name, relative to dir, brought back, and
// returns where it is to write that in the machine.
func (t *Test) output(dir, name string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	inside := fmt.Sprintf("/back/%d/%s", len(t.Return), filepath.Base(name))
	t.Return = append(t.Return, File{Host: name, Guest: inside})
	return inside
}

func (t *Test) limit(timeout string) error {
	d, err := time.ParseDuration(timeout)
	if err != nil {
		return fmt.Errorf("flag -test.timeout: %w", err)
	}
	if d > 0 {
		t.Limit = d + grace
	}
	return nil
}
