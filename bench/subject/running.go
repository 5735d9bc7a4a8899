package subject

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// A Running is a subject that runs. Its methods are for one goroutine.
type Running struct {
	*Subject
	Setting
	path    string // of its program
	process *netlab.Process
	said    *output
}

// Start starts a subject. It may not answer yet when Start returns, which a
// client finds out best. The caller stops it.
func (s *Subject) Start(set Setting) (*Running, error) {
	r := &Running{Subject: s, Setting: set}
	if s.Name == Direct {
		return r, nil
	}
	var err error
	if r.path, err = s.find(set.Shunt); err != nil {
		return nil, err
	}
	return r, r.Restart()
}

// Restart starts a subject again after it has ended.
func (r *Running) Restart() error {
	if r.Name == Direct {
		return nil
	}
	if err := r.write(); err != nil {
		return err
	}
	r.said = &output{leaves: r.leaves, left: map[int]time.Time{}}
	cmd := exec.Command(r.path, r.args(&r.Setting, r.file())...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.Dir, r.said, r.said
	var err error
	r.process, err = r.In.Start(lab.Pin(cmd, r.Processors))
	return err
}

// Command returns the command line, for a report.
func (r *Running) Command() string {
	if r.Name == Direct {
		return ""
	}
	return strings.Join(append([]string{filepath.Base(r.path)}, r.args(&r.Setting, r.Subject.file)...), " ")
}

// Targets returns the addresses that clients connect to.
func (r *Running) Targets() []netip.AddrPort {
	if r.Name != Direct {
		return []netip.AddrPort{r.VIP}
	}
	var all []netip.AddrPort
	for _, real := range r.Reals {
		if real.Weight > 0 {
			all = append(all, real.Addr)
		}
	}
	return all
}

// Err returns why the subject has ended, with its last output, and nil while it
// runs.
func (r *Running) Err() error {
	if r.process == nil {
		return nil
	}
	select {
	case <-r.process.Done():
		return fmt.Errorf("%s ended (%w): %s", r.Name, cmp.Or(r.process.Wait(), errEnded), r.said.last())
	default:
		return nil
	}
}

var errEnded = errors.New("exit status 0")

// Configure gives the subject new real servers without an interruption, as far
// as the program can do that.
func (r *Running) Configure(reals []Real) error {
	r.Reals = reals
	if r.Name == Direct {
		return nil
	}
	if err := r.write(); err != nil {
		return err
	}
	return r.reload()
}

// reload tells the subject to read its configuration. A subject that reports this
// is told again until it does: haproxy loses a signal while it starts.
func (r *Running) reload() error {
	before := r.said.count(r.heeds)
	for end := time.Now().Add(patience); ; {
		if err := errors.Join(r.Err(), r.Signal(r.reloads)); err != nil || r.heeds == "" {
			return err
		}
		for again := time.Now().Add(patience / 20); time.Now().Before(again); time.Sleep(time.Millisecond) {
			if r.said.count(r.heeds) > before {
				return nil
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s has not said %q within %v", r.Name, r.heeds, patience)
		}
	}
}

// patience is how long a program may take to start.
const patience = 10 * time.Second

// Signal sends a signal to the subject's first process.
func (r *Running) Signal(s unix.Signal) error {
	if r.process == nil {
		return nil
	}
	if err := unix.Kill(r.process.Pid(), s); err != nil {
		return fmt.Errorf("send %v to %s: %w", s, r.Name, err)
	}
	return nil
}

// Kill ends all processes of the subject at once, and waits for it.
func (r *Running) Kill() {
	if r.process != nil {
		_ = unix.Kill(-r.process.Pid(), unix.SIGKILL) // it may have ended
		<-r.process.Done()
	}
}

// Stop ends the subject as its operator does, and waits for it.
func (r *Running) Stop() {
	if r.process != nil {
		r.process.Stop()
	}
}

func (r *Running) file() string { return filepath.Join(r.Dir, r.Subject.file) }

// write replaces the configuration atomically, since some programs watch their
// file.
func (r *Running) write() error {
	next := r.file() + ".next"
	if err := os.WriteFile(next, []byte(r.config(&r.Setting)), 0o600); err != nil {
		return fmt.Errorf("configure %s: %w", r.Name, err)
	}
	return os.Rename(next, r.file())
}

// find returns the path of the program.
func (s *Subject) find(shunt string) (string, error) {
	name := s.program
	if name == "" {
		name = shunt
	}
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	if err != nil {
		return "", fmt.Errorf("the program of %s is not here: %w", s.Name, err)
	}
	return filepath.Abs(path)
}

// Available returns why the subject cannot run on this machine, and nil if it can.
// shunt is the path of shunt's program.
func (s *Subject) Available(shunt string) error {
	if s.Name == Direct {
		return nil
	}
	if _, err := s.find(shunt); err != nil {
		return err
	}
	if s.Kernel {
		return hasIPVS()
	}
	return nil
}

// Version asks the subject's program for its version. shunt is the path of
// shunt's program.
func (s *Subject) Version(shunt string) (string, error) {
	if s.Name == Direct {
		return "", nil
	}
	path, err := s.find(shunt)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, s.version...)
	cmd.Env = append(os.Environ(), "LC_ALL=C") // without complaints about a missing locale
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" {
			return line, nil
		}
	}
	return "", fmt.Errorf("ask %s for its version: %w", path, errors.Join(err, errors.New("it said nothing")))
}

// output keeps the last output of a program.
type output struct {
	mu     sync.Mutex
	text   bytes.Buffer
	leaves *regexp.Regexp // of the subject; may be nil
	left   map[int]time.Time
}

// kept is how many bytes of a program's output are kept at least.
const kept = 4096

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() > 16*kept {
		o.text.Next(o.text.Len() - kept)
	}
	o.note(p)
	return o.text.Write(p)
}

// note records the real servers that went out of service. Programs write whole
// lines.
func (o *output) note(p []byte) {
	if o.leaves == nil {
		return
	}
	for _, line := range o.leaves.FindAllSubmatch(p, -1) {
		at, err1 := time.Parse(time.RFC3339, string(line[1]))
		number, err2 := strconv.Atoi(string(line[2]))
		if err1 == nil && err2 == nil {
			o.left[number-1] = at
		}
	}
}

// removed returns when real servers, by their number, went out of service.
func (o *output) removed() map[int]time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.left)
}

// count returns how often the program has said text lately.
func (o *output) count(text string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Count(o.text.Bytes(), []byte(text))
}

// last returns the last lines, in one.
func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(o.text.String()), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines[max(0, len(lines)-6):], "; ")
}
