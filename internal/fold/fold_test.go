package fold_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/fold"
)

func TestWords(t *testing.T) {
	long := strings.Repeat("x", 50)
	for _, tt := range []struct {
		text, indent string
		width        int
		want         []string
	}{
		{"", "", 40, []string{""}},
		{"a  b", "", 40, []string{"a b"}},
		{"a  b", "", 39, []string{"a  b"}},
		{strings.Repeat("x", 20) + " " + strings.Repeat("y", 19), "", 40, []string{strings.Repeat("x", 20) + " " + strings.Repeat("y", 19)}},
		{strings.Repeat("x", 20) + " " + strings.Repeat("y", 20), "  ", 40, []string{strings.Repeat("x", 20), "  " + strings.Repeat("y", 20)}},
		{"a " + long + " b", "", 40, []string{"a", long, "b"}},
		{strings.Repeat("世", 20) + " b", "", 40, []string{strings.Repeat("世", 20), "b"}},
	} {
		if got := fold.Words(tt.text, tt.width, tt.indent); !slices.Equal(got, tt.want) {
			t.Errorf("%q in %d columns: %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}
