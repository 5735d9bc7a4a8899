// Package leak makes the tests of a package fail when they leave goroutines
// or file descriptors behind.
package leak

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// settle is how long what was closed last may take to be gone.
const settle = 5 * time.Second

// Main runs the tests of a package and exits. Call it from TestMain.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run runs the tests of a package and returns what to exit with. It is for a
// TestMain that has to clean up after them.
func Run(m *testing.M) int {
	before := descriptors()
	code := m.Run()
	if code == 0 {
		code = check(before)
	}
	return code
}

func check(before map[string]string) int {
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
		return 1
	}
	left := remaining(before)
	for end := time.Now().Add(settle); len(left) > 0 && time.Now().Before(end); left = remaining(before) {
		runtime.GC() // net keeps the pipes it splices through until a collection
		time.Sleep(10 * time.Millisecond)
	}
	if len(left) > 0 {
		fmt.Fprintln(os.Stderr, "descriptors left behind:", strings.Join(left, ", "))
		return 1
	}
	return 0
}

// remaining returns the descriptors that are open now and were not before.
func remaining(before map[string]string) []string {
	var left []string
	for fd, what := range descriptors() {
		if before[fd] == "" && !strings.HasPrefix(what, "anon_inode:") {
			left = append(left, fd+" "+what)
		}
	}
	return left
}

// descriptors maps the process's open descriptors to what they are open on.
// The runtime's own epoll and eventfd come with the first network call and
// stay; callers pass over anon_inode for that reason.
func descriptors() map[string]string {
	open := map[string]string{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return open
	}
	for _, e := range entries {
		what, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err == nil && !strings.HasSuffix(what, "/fd") {
			open[e.Name()] = what
		}
	}
	return open
}
