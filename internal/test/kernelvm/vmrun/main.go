// Command vmrun runs a test binary on a kernel of its own: it is for the flag
// -exec of go test. The kernel boots in a virtual machine and ends with the
// test; see package kernelvm.
//
//	vmrun [flags] test-binary [arguments]
//	vmrun -shell [flags] [program of the machine [arguments]]
//	vmrun -fetch
//
// The exit status is that of the test binary, and 125 if the machine did not
// run it to its end: the kernel crashed, or the time limit ran out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/internal/test/kernelvm"
)

// machineFailed is the exit status for a machine that gave none.
const machineFailed = 125

// defaultLimit is the time limit of a program that has none of its own.
const defaultLimit = 11 * time.Minute

func main() {
	kernelvm.Main()
	// SIGPIPE too: nobody reads any more, and there are files to take away.
	ctx, stop := signal.NotifyContext(context.Background(),
		unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE)
	status, err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		status = 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "vmrun:", err)
		status = machineFailed
	}
	os.Exit(status)
}

func run(ctx context.Context, args []string) (status int, err error) {
	o, err := parse(args)
	if err != nil {
		return 0, err
	}
	if o.fetch {
		return 0, o.runFetch(ctx)
	}
	if o.Kernel, err = o.openKernel(ctx); err != nil {
		return 0, err
	}
	if err := o.unpackPackages(ctx); err != nil {
		return 0, err
	}
	if o.Init, err = os.Executable(); err != nil {
		return 0, err
	}
	o.Stdout = os.Stdout
	if o.shell {
		return o.runShell(ctx)
	}
	return o.runTest(ctx)
}

func (o *options) runFetch(ctx context.Context) error {
	dir, err := kernelvm.Fetch(ctx)
	if err != nil {
		return err
	}
	fmt.Println(dir)
	if len(o.packages) == 0 {
		return nil
	}
	dir, err = kernelvm.FetchPackages(ctx, o.packages...)
	if err == nil {
		fmt.Println(dir)
	}
	return err
}

func (o *options) runTest(ctx context.Context) (int, error) {
	if len(o.args) == 0 {
		return 0, errors.New("no test binary named; see vmrun -help")
	}
	t, err := kernelvm.NewTest(o.args, o.env)
	if err != nil {
		return 0, err
	}
	o.Files = append(o.Files, t.Files...)
	if o.Limit == 0 {
		o.Limit = t.Limit
	}
	if o.Limit == 0 {
		o.Limit = defaultLimit
	}
	t.Return = append(t.Return, o.back...)
	return o.Run(ctx, t.Command)
}

func (o *options) runShell(ctx context.Context) (int, error) {
	args := o.args
	if len(args) == 0 {
		args = []string{"/bin/sh"}
	}
	o.Stdin = os.Stdin
	env := append(kernelvm.Environment(o.env), "TERM="+os.Getenv("TERM"))
	return o.Run(ctx, kernelvm.Command{Args: args, Env: env, Dir: "/root", Return: o.back})
}

// openKernel opens the kernel that was asked for: a folder, or what was
// fetched last, or, for the first time, what Debian has.
func (o *options) openKernel(ctx context.Context) (kernelvm.Kernel, error) {
	dir, err := o.kernel, error(nil)
	if dir == "" {
		dir, err = kernelvm.Cached()
	}
	if errors.Is(err, kernelvm.ErrNoKernel) {
		dir, err = kernelvm.Fetch(ctx)
	}
	if err != nil {
		return kernelvm.Kernel{}, err
	}
	return kernelvm.OpenKernel(dir)
}

// unpackPackages adds the packages before all other files, which win.
func (o *options) unpackPackages(ctx context.Context) error {
	if len(o.packages) == 0 {
		return nil
	}
	dir, err := kernelvm.Packages(ctx, o.packages...)
	o.Files = slices.Insert(o.Files, 0, kernelvm.File{Host: dir, Guest: "/"})
	return err
}
