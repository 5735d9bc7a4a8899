package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pinned is the name of a process that pins itself and becomes another.
const pinned = "shunt-bench-pinned"

// Pin returns cmd, which has not been started, changed so that it runs on
// processors alone from its first instruction on. Without processors Pin returns
// cmd unchanged. The program that starts it has to call Main.
func Pin(cmd *exec.Cmd, processors []int) *exec.Cmd {
	if len(processors) == 0 {
		return cmd
	}
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(processors), " ", ","), "[]")
	cmd.Args = append([]string{pinned, list, cmd.Path}, cmd.Args...)
	cmd.Path = "/proc/self/exe"
	return cmd
}

// Main must be called first in main, and in TestMain of packages that pin
// processes. In a process that Pin made it executes the pinned program; in all
// others it returns at once.
func Main() {
	if len(os.Args) < 4 || os.Args[0] != pinned {
		return
	}
	fmt.Fprintln(os.Stderr, becomePinned(os.Args[1], os.Args[2], os.Args[3:]))
	os.Exit(1)
}

// becomePinned returns only if it failed.
func becomePinned(list, path string, args []string) error {
	var set unix.CPUSet
	for p := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(p)
		if err != nil {
			return fmt.Errorf("processors %q: %w", list, err)
		}
		set.Set(n)
	}
	// The kernel gives the process affinity of the thread that becomes it.
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("run %s on processors %s: %w", path, list, err)
	}
	return fmt.Errorf("run %s: %w", path, unix.Exec(path, args, os.Environ()))
}
