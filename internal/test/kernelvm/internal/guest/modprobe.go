package guest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/kernelvm/internal/kmod"
)

// Modprobe loads modules as modprobe(8) does: one with parameters, or, with
// -a, several. It returns the exit status. Modules cannot be removed with it.
func Modprobe(args []string) int {
	flags := flag.NewFlagSet("modprobe", flag.ContinueOnError)
	all := flags.Bool("a", false, "load all of the modules named")
	quiet := flags.Bool("q", false, "say nothing of modules that there are none of")
	for _, ignored := range []string{"b", "s", "v"} {
		flags.Bool(ignored, false, "accepted, without effect")
	}
	if err := flags.Parse(separate(args)); err != nil {
		return 1
	}
	err := modprobe(flags.Args(), *all)
	if err != nil && (!*quiet || !errors.Is(err, kmod.ErrNotFound)) {
		fmt.Fprintln(os.Stderr, "modprobe:", err)
	}
	if err != nil {
		return 1
	}
	return 0
}

// separate takes short options that were written together apart: -va.
func separate(args []string) []string {
	var apart []string
	for i, a := range args {
		if a == "--" {
			return append(apart, args[i:]...)
		}
		if !strings.HasPrefix(a, "-") || strings.HasPrefix(a, "--") {
			apart = append(apart, a)
			continue
		}
		for _, letter := range a[1:] {
			apart = append(apart, "-"+string(letter))
		}
	}
	return apart
}

func modprobe(args []string, all bool) error {
	if len(args) == 0 {
		return errors.New("no module named")
	}
	if !all {
		return load(args[0], strings.Join(args[1:], " "))
	}
	var errs []error
	for _, name := range args {
		errs = append(errs, load(name, ""))
	}
	return errors.Join(errs...)
}

// load loads what answers to name, with what it needs. The parameters are for
// name alone.
func load(name, params string) error {
	var index kmod.Index
	if err := readJSON(ModuleIndex, &index); err != nil {
		return err
	}
	wanted, err := index.Resolve(name)
	if err != nil {
		return err
	}
	modules, err := index.Closure(wanted...)
	if err != nil {
		return err
	}
	for _, m := range modules {
		own := ""
		if m.Name == wanted[0] {
			own = params
		}
		if err := insert(m, own); err != nil {
			return err
		}
	}
	return nil
}

// insert hands a module to the kernel. One that is there already is fine.
func insert(m kmod.Module, params string) error {
	f, err := os.Open(filepath.Join(ModuleDir, m.File))
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), params, 0)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load %s: %w", m.Name, err)
	}
	return nil
}
