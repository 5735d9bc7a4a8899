package proxy

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// memory returns how many bytes this process may use: the memory of the machine, or
// the least limit of its control groups. It returns MaxInt64 if neither is known.
func memory() int64 { return memoryIn("/") }

// memoryIn is memory with the files below root.
func memoryIn(root string) int64 {
	least := machine(root + "proc/meminfo")
	groups, err := os.ReadFile(root + "proc/self/cgroup")
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(groups)) {
		// HIERARCHY:CONTROLLERS:PATH, the first two 0 and empty in version 2.
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(f) < 3:
		case f[1] == "":
			least = min(least, group(root+"sys/fs/cgroup", f[2], "memory.max"))
		case f[1] == "memory":
			least = min(least, group(root+"sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes"))
		}
	}
	return least
}

// machine reads MemTotal, in kB, out of proc_meminfo(5).
func machine(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return math.MaxInt64
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 2 || f[0] != "MemTotal:" {
			continue
		}
		if kb, err := strconv.ParseInt(f[1], 10, 64); err == nil {
			return kb << 10
		}
	}
	return math.MaxInt64
}

// group returns the least limit of a control group and those above it. In a
// container the path may be that of the host, and only the top exist.
func group(mount, dir, name string) int64 {
	least := int64(math.MaxInt64)
	for dir = path.Clean("/" + dir); ; dir = path.Dir(dir) {
		if text, err := os.ReadFile(mount + dir + "/" + name); err == nil {
			// "max" is no number and no limit.
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
				least = min(least, n)
			}
		}
		if dir == "/" {
			return least
		}
	}
}
