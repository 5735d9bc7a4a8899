package kernelvm

import (
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/shunt-lb/shunt/internal/test/kernelvm/internal/guest"
)

const guestModules = guest.ModuleDir

// A Machine is a virtual machine that is booted to run one command. The zero
// values of all fields but Kernel and Init will do.
type Machine struct {
	Kernel  Kernel
	Init    string        // a program that calls Main, linked statically: process 1
	Memory  int           // in MiB; 512
	CPUs    int           // 1
	Counted bool          // its time is counted, a nanosecond for an instruction: see the package
	Limit   time.Duration // the machine is killed then; no limit
	Modules []string      // patterns of modules to have at hand; DefaultModules
	Load    []string      // modules to load before the command runs
	Files   []File        // to add to the root; of a folder all that is below
	Stdin   *os.File      // a terminal for the command; nothing
	Stdout  io.Writer     // stdout and stderr of the command as they come; nowhere
}

// A File is a file or a folder that host and guest both have.
type File struct{ Host, Guest string }

// A Command is what a machine runs.
type Command struct {
	Args   []string // by its path in the machine
	Env    []string
	Dir    string // made if it is not there; the root
	Return []File // files, or folders, that are copied back at the end, if there
}

// DefaultModules are what networks and IPVS are made of.
var DefaultModules = []string{
	"ip_vs*", "veth", "bridge", "dummy", "8021q", "macvlan", "ipvlan", "tun", "sch_*", "cls_*", "act_*",
	"ipip", "sit", "ip_gre", "ip6_tunnel", "ip6_gre", "fou", "fou6", "tunnel4", "tunnel6",
	"nf_*", "nft_*", "nfnetlink*", "ip_tables", "ip6_tables", "iptable_*", "ip6table_*", "xt_*", "ipt_*", "ip6t_*",
	"ip_set*", "af_packet", "inet_diag", "tcp_diag", "udp_diag", "unix_diag", "netlink_diag",
}

// Main does what the process was started for where it is part of a machine,
// and does not return then. A program that is to be a machine's Init calls it
// first of all.
func Main() {
	switch {
	case os.Getpid() == 1 && os.Args[0] == guest.InitFile:
		guest.Main()
	case filepath.Base(os.Args[0]) == filepath.Base(guest.ModprobeFile):
		os.Exit(guest.Modprobe(os.Args[1:]))
	}
}

// Run boots the machine, has it run c and returns the exit status of that: 128
// and the signal's number for a command that a signal ended. It is an error,
// with all that the kernel said, when no exit status came back: the kernel
// crashed, the limit ran out, or ctx ended.
func (m Machine) Run(ctx context.Context, c Command) (status int, err error) {
	dir, err := os.MkdirTemp("", "kernelvm-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := m.pack(filepath.Join(dir, initrdFile), c); err != nil {
		return 0, fmt.Errorf("pack the machine's files: %w", err)
	}
	if m.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, m.Limit, fmt.Errorf("%w of %v", ErrLimit, m.Limit))
		defer cancel()
	}
	ran := m.boot(ctx, dir)
	if status, err = receive(filepath.Join(dir, reportFile), c.Return); err != nil {
		said := console(dir)
		return 0, &Failure{Cause: cause(ctx, ran, err, said), Console: said}
	}
	return status, nil
}

// pack writes the file system that the machine starts with to file.
func (m Machine) pack(file string, c Command) error {
	r, err := newRoot()
	if err != nil {
		return err
	}
	if err := m.fill(r); err != nil {
		return err
	}
	if err := m.job(r, c); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(r.write(f), f.Close())
}

// fill adds what the machine consists of, whatever it is to do.
func (m Machine) fill(r root) error {
	for _, f := range m.Files {
		if err := r.host(f.Guest, f.Host); err != nil {
			return err
		}
	}
	if err := r.file(guest.InitFile, m.Init); err != nil {
		return err
	}
	r.link(guest.ModprobeFile, guest.InitFile)
	patterns := m.Modules
	if patterns == nil {
		patterns = DefaultModules
	}
	index, err := m.Kernel.modules(r, append(patterns, m.Load...))
	if err != nil {
		return err
	}
	return r.json(guest.ModuleIndex, index)
}

// job adds what the machine is to do.
func (m Machine) job(r root, c Command) error {
	if err := r.runnable(c.Args[0]); err != nil {
		return err
	}
	job := guest.Job{Args: c.Args, Env: c.Env, Dir: filepath.Join("/", c.Dir), Load: m.Load}
	for _, f := range c.Return {
		job.Return = append(job.Return, f.Guest)
		r.folder(path.Dir(f.Guest))
		if isDir(f.Host) {
			r.folder(f.Guest)
		}
	}
	if m.Stdin != nil {
		job.TTY = size(m.Stdin)
	}
	r.folder(job.Dir)
	return r.json(guest.JobFile, job)
}

func (r root) json(name string, v any) error {
	data, err := json.Marshal(v)
	r.bytes(name, 0o644, data)
	return err
}

// runnable refuses a program that the machine cannot run. The kernel would say
// "no such file" of one whose dynamic linker is missing.
func (r root) runnable(name string) error {
	e, there := r[place(name)]
	if !there {
		return fmt.Errorf("%s is not in the machine", name)
	}
	interpreter, err := e.interpreter()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if interpreter != "" && !r.has(interpreter) {
		return fmt.Errorf("%s is linked dynamically: build it with CGO_ENABLED=0", name)
	}
	return nil
}

// interpreter returns the dynamic linker that e asks for. Anything but an ELF
// file asks for none.
func (e entry) interpreter() (string, error) {
	if e.file == "" {
		return "", nil
	}
	f, err := elf.Open(e.file)
	if errors.As(err, new(*elf.FormatError)) || errors.Is(err, io.EOF) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		name, err := io.ReadAll(p.Open())
		return string(name[:max(0, len(name)-1)]), err
	}
	return "", nil
}
