package text_test

import (
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
)

// The status says which bounds have been met and which are fixture.Now, and nothing of
// those that have not.
func TestRenderBounds(t *testing.T) {
	room := func(used, limit int64, refused uint64) dataplane.Usage {
		return dataplane.Usage{Used: used, Limit: limit, Refused: refused}
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
		{"connections before", &dataplane.Load{Connections: room(3, 10, 2), Flows: roomy, Buffers: roomy}, "connections 3 of 10, clients waited 2 times", ""},
		{"flows", &dataplane.Load{Connections: roomy, Flows: room(10, 10, 1), Buffers: roomy, Evicted: 8}, "flows 10 of 10, refused 1, evicted 8", "raise maxflows"},
		{"waiting", &dataplane.Load{Connections: dataplane.Usage{Used: 8, Limit: 10, Refused: 3, Reserved: 2, FullListeners: 1}, Flows: roomy, Buffers: roomy}, "connections 8 of 10, clients waited 3 times, and wait now, 2 reserved for each service", "raise maxconnections"},
		{"too few ports", &dataplane.Load{Connections: roomy, Flows: dataplane.Usage{Used: 1, Limit: 10, Asked: 50, By: dataplane.Ports}, Buffers: roomy}, "flows 1 of 10 by the range of local ports and not 50", ""},
		{"no ports", &dataplane.Load{Connections: roomy, Flows: dataplane.Usage{Used: 10, Limit: 10, By: dataplane.Ports}, Buffers: roomy}, "flows 10 of 10 as the range of local ports allows", "widen the sysctl net.ipv4.ip_local_port_range"},
		{"no files", &dataplane.Load{Connections: roomy, Flows: dataplane.Usage{Used: 10, Limit: 10, Asked: 20, By: dataplane.Files}, Buffers: roomy}, "flows 10 of 10 by the limit of open files and not 20", "raise the limit of open files"},
		{"evicted", &dataplane.Load{Connections: roomy, Flows: roomy, Buffers: roomy, Evicted: 8}, "flows 1 of 10, evicted 8", ""},
		{"buffers", &dataplane.Load{Connections: roomy, Flows: roomy, Buffers: room(1<<20, 1<<20, 0)}, "buffers 1.0 MiB of 1.0 MiB", ""},
		{"pauses", &dataplane.Load{Connections: roomy, Flows: roomy, Buffers: roomy, Pauses: 2, EvictedSources: 3}, "accepting paused 2 times for want of descriptors, memory or local ports sources evicted 3", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := text.Render(&b, director.Status{Ready: true, Dataplane: director.DataplaneStatus{Load: tt.load}}, text.Options{}); err != nil {
				t.Fatal(err)
			}
			_, bounds, _ := strings.Cut(b.String(), "\nbounds ")
			bounds, _, _ = strings.Cut(bounds, "\n\n")
			bounds = strings.Join(strings.Fields(bounds), " ")
			if bounds != tt.bounds {
				t.Errorf("bounds %q, want %q", bounds, tt.bounds)
			}
			if _, full, _ := strings.Cut(b.String(), " FULL: "); (full != "") != (tt.full != "") || !strings.Contains(full, tt.full) {
				t.Errorf("full: %q, want %q", full, tt.full)
			}
		})
	}
}
