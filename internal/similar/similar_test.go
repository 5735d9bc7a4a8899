package similar

import "testing"

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"abc", "", 3},
		{"", "abc", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "acb", 1},
		{"persistence", "persistent", 2},
		{"shceduler", "scheduler", 1},
		{"kitten", "sitting", 3},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance of %q and %q is %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestWord(t *testing.T) {
	names := []string{"run", "reload", "status", "config"}
	for word, want := range map[string]string{"rnu": "run", "relaod": "reload", "stat": "", "stauts": "status", "x": "", "": ""} {
		if got := Word(word, names); got != want {
			t.Errorf("%q is like %q, want %q", word, got, want)
		}
	}
}
