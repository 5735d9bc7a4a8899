package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/result"
	"github.com/shunt-lb/shunt/bench/subject"
)

// machine describes the machine of the run.
func (r *Runner) machine() (result.Machine, error) {
	var info unix.Sysinfo_t
	var name unix.Utsname
	if err := unix.Sysinfo(&info); err != nil {
		return result.Machine{}, fmt.Errorf("read the size of the memory: %w", err)
	}
	if err := unix.Uname(&name); err != nil {
		return result.Machine{}, fmt.Errorf("read the kernel's version: %w", err)
	}
	m := result.Machine{
		Processor: processor(), Processors: runtime.NumCPU(), Memory: info.Totalram * uint64(info.Unit),
		Kernel:   unix.ByteSliceToString(name.Release[:]),
		Programs: map[string]string{"go": runtime.Version()},
	}
	m.Emulated = strings.Contains(m.Processor, "QEMU")
	for _, s := range r.Subjects {
		if s.Name == subject.Direct {
			continue
		}
		version, err := s.Version(r.Shunt)
		if err != nil {
			return m, err
		}
		m.Programs[s.Name] = version
	}
	return m, nil
}

// processor returns the name of the first processor.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// limits returns the limits of the method, a sentence each.
func limits(p lab.Processors) []string {
	latency := "Clients and real servers share one thread, so latency includes the time an answer waits for it."
	if len(p.Others) > 1 {
		latency = "Clients share one thread, and real servers another, so latency includes the time an answer waits for them."
	}
	return []string{
		"Everything runs on one machine: no network card, no driver and no switch takes part.",
		"Absolute figures are those of this machine at this hour; compare subjects within one run.",
		"Congestion control is reno without pacing, and at most 2000 connections wait in TIME_WAIT.",
		latency,
	}
}
