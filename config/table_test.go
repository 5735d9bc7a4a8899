package config

import (
	"testing"

	"github.com/shunt-lb/shunt/config/internal/suggest"
)

func TestClassic(t *testing.T) {
	tests := []struct{ text, want string }{
		{"127.1", "127.0.0.1"},
		{"0x7f000001", "127.0.0.1"},
		{"2130706433", "127.0.0.1"},
		{"127.0.0.02", "127.0.0.2"},
		{"10.1.300", "10.1.1.44"},
		{"010.0.0.1", "8.0.0.1"},
	}
	for _, tt := range tests {
		if a, ok := classic(tt.text); !ok || a.String() != tt.want {
			t.Errorf("%s is %v, %v, want %s", tt.text, a, ok, tt.want)
		}
	}
	for _, bad := range []string{"", "www", "1.2.3.4.5", "256.0.0.1", "1.2.3.256", "4294967296", "1_0.1", "0b1.1", "-1"} {
		if a, ok := classic(bad); ok {
			t.Errorf("%q is read as %v", bad, a)
		}
	}
}

// TestTable: every directive can be written, and says what it is.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range table {
		if seen[d.name] {
			t.Errorf("%s stands twice in the table", d.name)
		}
		seen[d.name] = true
		if _, mistake := suggest.Directive(d.name); mistake {
			t.Errorf("%s is a directive and a mistake", d.name)
		}
		if d.kind == "" || d.def == "" || d.doc == "" || d.scope == 0 {
			t.Errorf("%s is not described", d.name)
		}
		if (d.set == nil) != (d.late || d.scope == asHead) {
			t.Errorf("%s cannot be read, or is read twice", d.name)
		}
	}
}
