package admin_test

import (
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

// The status says which bounds have been met and which are now, and nothing of
// those that have not.
func TestRenderBounds(t *testing.T) {
	room := func(used, limit int64, refused uint64) dataplane.Room {
		return dataplane.Room{Used: used, Limit: limit, Refused: refused}
	}
	roomy := room(1, 10, 0)
	tests := []struct {
		name   string
		load   *dataplane.Load
		bounds string
		full   string
	}{
		{"nobody says", nil, "", ""},
		{"calm", &dataplane.Load{Connections: roomy, Flows: roomy, Buffers: roomy}, "", ""},
		{"connections", &dataplane.Load{Connections: room(10, 10, 0), Flows: roomy, Buffers: roomy}, "connections 10 of 10", "raise maxconnections"},
		{"connections before", &dataplane.Load{Connections: room(3, 10, 2), Flows: roomy, Buffers: roomy}, "connections 3 of 10, refused 2", ""},
		{"flows", &dataplane.Load{Connections: roomy, Flows: room(10, 10, 1), Buffers: roomy, Evicted: 8}, "flows 10 of 10, refused 1, evicted 8", "raise maxflows"},
		{"evicted", &dataplane.Load{Connections: roomy, Flows: roomy, Buffers: roomy, Evicted: 8}, "flows 1 of 10, evicted 8", ""},
		{"buffers", &dataplane.Load{Connections: roomy, Flows: roomy, Buffers: room(1<<20, 1<<20, 0)}, "buffers 1.0 MiB of 1.0 MiB", ""},
		{"pauses", &dataplane.Load{Connections: roomy, Flows: roomy, Buffers: roomy, Pauses: 2, Forgotten: 3}, "accepting paused 2 times for want of descriptors or memory sources forgotten 3", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := admin.Render(&b, director.Status{Ready: true, Dataplane: director.DataplaneStatus{Load: tt.load}}, admin.RenderOptions{}); err != nil {
				t.Fatal(err)
			}
			_, bounds, _ := strings.Cut(b.String(), "\nbounds ")
			bounds, _, _ = strings.Cut(bounds, "\n\n")
			bounds = strings.Join(strings.Fields(bounds), " ")
			if bounds != tt.bounds {
				t.Errorf("bounds %q, want %q", bounds, tt.bounds)
			}
			if _, full, _ := strings.Cut(b.String(), "\nFULL\n"); strings.Contains(full, "raise") != (tt.full != "") || !strings.Contains(full, tt.full) {
				t.Errorf("full: %q, want %q", full, tt.full)
			}
		})
	}
}
