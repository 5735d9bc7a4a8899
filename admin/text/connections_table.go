package text

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/shunt-lb/shunt/dataplane"
)

// A ConnectionTable writes connections for people, a line each, as they come. The
// widths of its columns come from the first few, which it holds back; a longer
// cell further down moves the rest of its line to the right.
type ConnectionTable struct {
	w      io.Writer
	held   [][]string
	widths []int // nil until the first lines are written
	n      int
}

const heldLines = 1000

var connectionColumns = []string{"PROTO", "CLIENT", "VIRTUAL", "REAL SERVER", "STATE", "EXPIRES"}

// NewConnectionTable returns a table on w.
func NewConnectionTable(w io.Writer) *ConnectionTable { return &ConnectionTable{w: w} }

// Add writes c, or keeps it for later. The error is the writer's.
func (t *ConnectionTable) Add(c dataplane.Connection) error {
	t.n++
	cells := []string{
		Printable(c.Protocol), end(c.Client), end(c.Virtual), end(c.Server), Printable(c.State), Span(c.Expires),
	}
	if t.widths != nil {
		return t.line(cells)
	}
	if t.held = append(t.held, cells); len(t.held) < heldLines {
		return nil
	}
	return t.release()
}

// Close writes what was kept, and how many there were.
func (t *ConnectionTable) Close() error {
	if t.widths == nil {
		if err := t.release(); err != nil {
			return err
		}
	}
	noun := "connections"
	if t.n == 1 {
		noun = "connection"
	}
	_, err := fmt.Fprintln(t.w, strconv.Itoa(t.n), noun)
	return err
}

// release settles the widths and writes what was held.
func (t *ConnectionTable) release() error {
	t.widths = make([]int, len(connectionColumns))
	lines := append([][]string{connectionColumns}, t.held...)
	t.held = nil
	if len(lines) == 1 {
		return nil // no heading without rows
	}
	for _, cells := range lines {
		for i, c := range cells {
			t.widths[i] = max(t.widths[i], len(c))
		}
	}
	for _, cells := range lines {
		if err := t.line(cells); err != nil {
			return err
		}
	}
	return nil
}

func (t *ConnectionTable) line(cells []string) error {
	var b strings.Builder
	for i, c := range cells {
		if i == len(cells)-1 {
			fmt.Fprintf(&b, "%*s\n", t.widths[i], c)
		} else {
			fmt.Fprintf(&b, "%-*s  ", t.widths[i], c)
		}
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

// end writes an address, and its port if it has one; "-" for none.
func end(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}
