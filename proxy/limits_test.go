package proxy

import "testing"

func TestLimitsWithin(t *testing.T) {
	tests := []struct {
		given Limits
		files int
		want  Limits
	}{
		{Limits{}, 1024, Limits{Connections: 307, Flows: 204}},
		{Limits{}, 1 << 30, Limits{Connections: 1 << 18, Flows: 1 << 16}},
		{Limits{}, 2, Limits{Connections: 1, Flows: 1}},
		{Limits{Connections: 5, Flows: -1}, 1000, Limits{Connections: 5, Flows: 200}},
		{Limits{Connections: 1 << 20}, 1000, Limits{Connections: 1 << 20, Flows: 200}},
	}
	for _, tt := range tests {
		if got := tt.given.within(tt.files); got != tt.want {
			t.Errorf("%+v within %d files: %+v, want %+v", tt.given, tt.files, got, tt.want)
		}
	}
}
