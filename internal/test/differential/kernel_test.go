//go:build kernel

package differential

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/internal/test/netlab"
)

const (
	// glance is the time between two looks at a file of the kernel's, which
	// cost little where a start of ipvsadm costs a tenth of a second.
	glance = 50 * time.Millisecond
	// moment is how long nothing may have changed for a table to count.
	moment = 300 * time.Millisecond
	// doubt is when ipvsadm is asked although the file is as it was: the
	// file does not hold everything.
	doubt = 3 * time.Second
)

// A kernel is IPVS in the network namespace of a director.
type kernel struct {
	in   *netlab.Namespace
	file *os.File // /proc/net/ip_vs as it is in there
	seen string   // of the file, the last time
}

func newKernel(t *testing.T, in *netlab.Namespace) *kernel {
	t.Helper()
	k := &kernel{in: in}
	k.ipvsadm(t, "", "-Ln") // which loads the module
	err := in.Do(func() (err error) {
		k.file, err = os.Open("/proc/thread-self/net/ip_vs")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.file.Close() })
	return k
}

// moved looks at the file and says whether it has changed since the last time.
func (k *kernel) moved(t *testing.T) bool {
	t.Helper()
	text, err := io.ReadAll(io.NewSectionReader(k.file, 0, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	before := k.seen
	k.seen = string(text)
	return k.seen != before
}

// settle waits until nothing has changed for a moment.
func (k *kernel) settle(t *testing.T) {
	t.Helper()
	for since := time.Now(); time.Since(since) < moment; time.Sleep(glance) {
		if k.moved(t) {
			since = time.Now()
		}
	}
}

// change waits until something changes, or there is doubt.
func (k *kernel) change(t *testing.T) {
	t.Helper()
	for began := time.Now(); time.Since(began) < doubt; time.Sleep(glance) {
		if k.moved(t) {
			return
		}
	}
}

// table is what ipvsadm -Sn prints, and thresholds if they are asked for: real
// servers that have none are left out. Lines are sorted, for real servers
// stand in the order they were added in, which is of no importance.
func (k *kernel) table(t *testing.T, thresholds bool) string {
	t.Helper()
	lines := split(k.ipvsadm(t, "", "-Sn"))
	if thresholds {
		limits := split(k.ipvsadm(t, "", "-Ln", "--thresholds"))
		lines = append(lines, slices.DeleteFunc(limits, func(l string) bool {
			return !strings.HasPrefix(l, "->") || !strings.HasSuffix(l, " 0 0") || strings.HasSuffix(l, " 0 0 0 0")
		})...)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// split returns the lines of a text, with one blank between two words.
func split(text string) []string {
	var lines []string
	for l := range strings.Lines(strings.TrimSpace(text)) {
		lines = append(lines, strings.Join(strings.Fields(l), " "))
	}
	return lines
}
