package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/shunt-lb/shunt/internal/test/kernelvm"
)

// options are what the command line and the environment say.
type options struct {
	kernelvm.Machine
	args     []string
	env      []string
	packages []string
	back     []kernelvm.File
	kernel   string
	fetch    bool
	shell    bool
}

// parse reads the command line. Every flag may be given as a variable of the
// environment as well, VMRUN_MEMORY for -memory; the command line wins.
func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("vmrun", flag.ContinueOnError)
	f.StringVar(&o.kernel, "kernel", "", "boot the kernel in `folder` (default: the one fetched last)")
	f.BoolVar(&o.fetch, "fetch", false, "fetch Debian's current kernel, and the packages, as far as they are not there; print the folders and end")
	f.BoolVar(&o.shell, "shell", false, "run a program of the machine with this terminal: /bin/sh, or as the arguments say")
	f.IntVar(&o.Memory, "memory", 512, "`MiB` of memory")
	f.IntVar(&o.CPUs, "cpus", 1, "`number` of processors")
	f.BoolVar(&o.Counted, "counted", false, "count time: a nanosecond for every instruction, and none for waiting")
	f.DurationVar(&o.Limit, "limit", 0, "kill the machine after this `time` (default: -test.timeout and 30s)")
	f.Func("modules", "comma-separated `patterns` of modules to have at hand (default: networking and IPVS)", list(&o.Modules))
	f.Func("load", "comma-separated `modules` to load first", list(&o.Load))
	f.Func("env", "comma-separated `names` of variables to pass on", list(&o.env))
	f.Func("packages", "comma-separated `names` of Debian packages to have in the machine", list(&o.packages))
	f.Func("tree", "merge a `folder` into the machine's files; may be repeated", o.tree)
	f.Func("file", "add a file or folder, `host[=guest]`; may be repeated", o.file)
	f.Func("return", "bring a file or folder back at the end, `guest=host`; may be repeated", o.bring)
	if err := environment(f); err != nil {
		return nil, err
	}
	err := f.Parse(args)
	o.args = f.Args()
	return o, err
}

// environment sets the flags that the environment has values for.
func environment(f *flag.FlagSet) error {
	var err error
	f.VisitAll(func(fl *flag.Flag) {
		name := "VMRUN_" + strings.ToUpper(fl.Name)
		value := os.Getenv(name)
		if value == "" || err != nil {
			return
		}
		if bad := fl.Value.Set(value); bad != nil {
			err = fmt.Errorf("%s=%s: %w", name, value, bad)
		}
	})
	return err
}

// list returns a flag that adds the words of its value to words.
func list(words *[]string) func(string) error {
	return func(value string) error {
		*words = append(*words, strings.Split(value, ",")...)
		return nil
	}
}

func (o *options) tree(dir string) error {
	o.Files = append(o.Files, kernelvm.File{Host: dir, Guest: "/"})
	return nil
}

func (o *options) file(spec string) error {
	host, guest, named := strings.Cut(spec, "=")
	if !named {
		abs, err := filepath.Abs(host)
		if err != nil {
			return err
		}
		guest = abs
	}
	o.Files = append(o.Files, kernelvm.File{Host: host, Guest: guest})
	return nil
}

func (o *options) bring(spec string) error {
	guest, host, named := strings.Cut(spec, "=")
	if !named || !filepath.IsAbs(guest) || host == "" {
		return errors.New("want an absolute path in the machine, =, and a path here")
	}
	o.back = append(o.back, kernelvm.File{Host: host, Guest: guest})
	return nil
}
