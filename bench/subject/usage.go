package subject

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/result"
)

// tick is the unit of processor time in the kernel's files (USER_HZ).
const tick = 100

// Usage is what a subject has used up to a moment.
type Usage struct {
	CPU    result.CPU
	PSS    uint64    // bytes
	Kernel uint64    // bytes of sockets and slabs, of the whole machine
	Idle   []float64 // seconds each processor was idle
	At     time.Time
}

// Usage looks at what the subject's processes have used. Direct has no
// processes.
func (r *Running) Usage() (Usage, error) {
	u := Usage{At: time.Now(), CPU: result.CPU{Forwards: r.Kernel}}
	pids, err := r.pids()
	if err != nil {
		return u, err
	}
	for _, pid := range pids {
		if err := u.add(pid); err != nil && !ended(err) {
			return u, fmt.Errorf("look at process %d of %s: %w", pid, r.Name, err)
		}
	}
	if err := u.machine(r.Processors); err != nil {
		return u, err
	}
	return u, nil
}

// Since returns the processor time used since before, as it would be in exactly
// seconds, and the share of the time that each processor was idle.
func (u Usage) Since(before Usage, seconds float64) (result.CPU, []float64) {
	wall := u.At.Sub(before.At).Seconds()
	scale := result.Ratio(seconds, wall)
	c := result.CPU{
		Forwards: u.CPU.Forwards,
		User:     scale * max(0, u.CPU.User-before.CPU.User),
		System:   scale * max(0, u.CPU.System-before.CPU.System),
		SoftIRQ:  scale * max(0, u.CPU.SoftIRQ-before.CPU.SoftIRQ),
	}
	var idle []float64
	for i := range min(len(u.Idle), len(before.Idle)) {
		idle = append(idle, min(1, max(0, result.Ratio(u.Idle[i]-before.Idle[i], wall))))
	}
	return c, idle
}

// Held returns the memory held above what was held before.
func (u Usage) Held(before Usage, connections uint64) result.Memory {
	return result.Memory{Connections: connections, PSS: above(u.PSS, before.PSS), Kernel: above(u.Kernel, before.Kernel)}
}

func above(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// pids returns the processes of the subject: those of its process group.
func (r *Running) pids() ([]int, error) {
	if r.process == nil {
		return nil, nil
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	var pids []int
	for _, file := range files {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if f, err := stat(pid); err == nil && f[statGroup] == strconv.Itoa(r.process.Pid()) {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// Fields of /proc/PID/stat from behind the program's name.
const (
	statGroup  = 2
	statUser   = 11
	statSystem = 12
)

// Opened returns how many TCP connections were begun in the subject's network
// namespace (ActiveOpens of RFC 4022): by the subject, where nobody else is in
// it.
func (r *Running) Opened() (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/snmp", r.process.Pid()))
	if err != nil {
		return 0, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] != "Tcp:":
		case names == nil:
			names = f
		default:
			if i := slices.Index(names, "ActiveOpens"); i >= 0 && i < len(f) {
				return strconv.ParseUint(f[i], 10, 64)
			}
		}
	}
	return 0, errors.New("the kernel does not count the connections of a namespace")
}

func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	// The name is in parentheses, and may hold some itself.
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(f) <= statSystem {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	return f, nil
}

// add adds a process, its ended threads included. Its sum is exact; what of
// it was in user mode is known in ticks.
func (u *Usage) add(pid int) error {
	var ts unix.Timespec
	// The processor clock of a process (clock_getcpuclockid): the number of
	// the process inverted, and 2 for what the scheduler has counted.
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return err
	}
	f, err := stat(pid)
	if err != nil {
		return err
	}
	user, err1 := strconv.ParseFloat(f[statUser], 64)
	system, err2 := strconv.ParseFloat(f[statSystem], 64)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	total := time.Duration(ts.Nano()).Seconds()
	share := result.Ratio(user, user+system)
	u.CPU.User += total * share
	u.CPU.System += total * (1 - share)
	pss, err := field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:", 1)
	u.PSS += pss << 10
	return err
}

// machine adds what is known of processors and of the kernel's memory.
func (u *Usage) machine(processors []int) error {
	slab, err1 := field("/proc/meminfo", "Slab:", 1)
	tcp, err2 := field("/proc/net/sockstat", "TCP:", 10)
	udp, err3 := field("/proc/net/sockstat", "UDP:", 4)
	u.Kernel = slab<<10 + (tcp+udp)*uint64(os.Getpagesize())
	return errors.Join(err1, err2, err3, u.processors(processors))
}

func (u *Usage) processors(own []int) error {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return err
	}
	softirq := map[int]float64{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		n, err := strconv.Atoi(strings.TrimPrefix(f[0], "cpu"))
		if err != nil || len(f) < 8 {
			continue
		}
		idle, _ := strconv.ParseFloat(f[4], 64)
		wait, _ := strconv.ParseFloat(f[5], 64)
		soft, _ := strconv.ParseFloat(f[7], 64)
		u.Idle = append(u.Idle, (idle+wait)/tick)
		softirq[n] = soft / tick
	}
	for _, n := range own {
		u.CPU.SoftIRQ += softirq[n]
	}
	return nil
}

// field returns the n-th word of the line that begins with name.
func field(file, name string, n int) (uint64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) > n && words[0] == name {
			return strconv.ParseUint(words[n], 10, 64)
		}
	}
	return 0, errors.Join(fmt.Errorf("%s has no %s", file, name), lines.Err())
}

// ended reports whether an error says that a process is not there any more.
func ended(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL)
}
