package proxy

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/dgram"
	"github.com/shunt-lb/shunt/proxy/internal/stream"
)

func TestLimitsWithin(t *testing.T) {
	const much = math.MaxInt64
	tests := []struct {
		given  Limits
		files  int
		memory int64
		want   bounds
	}{
		{Limits{}, 1024, 8 << 30, bounds{stream.Bounds{Connections: 307, Buffers: 1 << 30}, dgram.Bounds{Flows: 204, FlowsBy: dataplane.Files}}},
		{Limits{}, 1 << 30, much, bounds{stream.Bounds{Connections: 1 << 18, Buffers: much / 8}, dgram.Bounds{Flows: 1 << 16}}},
		{Limits{}, 1 << 30, 512 << 20, bounds{stream.Bounds{Connections: 1 << 15, Buffers: 64 << 20}, dgram.Bounds{Flows: 1 << 14, FlowsBy: dataplane.Memory}}},
		{Limits{}, 2, 1, bounds{stream.Bounds{Connections: 1, Buffers: 1}, dgram.Bounds{Flows: 1, FlowsBy: dataplane.Memory}}},
		{Limits{Connections: 5, Flows: -1, Buffers: 7}, 1000, much, bounds{stream.Bounds{Connections: 5, Buffers: 7}, dgram.Bounds{Flows: 200, FlowsBy: dataplane.Files}}},
		{Limits{Connections: 1 << 20}, 1000, 1 << 20, bounds{stream.Bounds{Connections: 1 << 20, Buffers: 1 << 17}, dgram.Bounds{Flows: 32, FlowsBy: dataplane.Memory}}},
		{Limits{Flows: 900}, 1000, much, bounds{stream.Bounds{Connections: 300, Buffers: much / 8}, dgram.Bounds{Flows: 800, FlowsAsked: 900, FlowsBy: dataplane.Files}}},
		{Limits{Connections: 100, Flows: 500}, 1000, much, bounds{stream.Bounds{Connections: 100, Buffers: much / 8}, dgram.Bounds{Flows: 500, FlowsAsked: 500}}},
		{Limits{Connections: 1000, Flows: 500}, 1000, much, bounds{stream.Bounds{Connections: 1000, Buffers: much / 8}, dgram.Bounds{Flows: 200, FlowsAsked: 500, FlowsBy: dataplane.Files}}},
	}
	for _, tt := range tests {
		if got := tt.given.within(tt.files, tt.memory); got != tt.want {
			t.Errorf("%+v within %d files and %d bytes: %+v, want %+v", tt.given, tt.files, tt.memory, got, tt.want)
		}
	}
}

// So many files as the defaults are derived from are enough for them.
func TestLimitsFiles(t *testing.T) {
	for _, files := range []int{1024, 4096, 65536, 1 << 19} {
		b := (Limits{}).within(files, math.MaxInt64)
		if need := (Limits{Connections: b.stream.Connections, Flows: b.dgram.Flows}).Files(); need > files {
			t.Errorf("the defaults for %d files need %d", files, need)
		}
	}
	if got := (Limits{Connections: 1000, Flows: 400}).Files(); got != 3000 {
		t.Errorf("1000 connections and 400 flows need %d files, want 3000", got)
	}
}

// Nobody has to raise the soft limit: Go does it for every program.
func TestOpenFilesAreTheHardLimit(t *testing.T) {
	var rl unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &rl); err != nil {
		t.Fatal(err)
	}
	if got := uint64(OpenFiles()); got != min(rl.Max, 1<<30) {
		t.Errorf("%d files may be open, want the hard limit %d", got, rl.Max)
	}
}

func TestMemory(t *testing.T) {
	const meminfo = "MemTotal:        4194304 kB\nMemFree:  1 kB\n"
	tests := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing is said", nil, math.MaxInt64},
		{"no groups", map[string]string{"proc/meminfo": meminfo}, 4 << 30},
		{"version 2", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/shunt.service\n",
			"sys/fs/cgroup/system.slice/shunt.service/memory.max": "1073741824\n",
		}, 1 << 30},
		{"a group above", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/shunt.service\n",
			"sys/fs/cgroup/system.slice/shunt.service/memory.max": "max\n",
			"sys/fs/cgroup/system.slice/memory.max":               "536870912\n",
		}, 512 << 20},
		{"no limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n",
		}, 4 << 30},
		{"more than there is", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "9223372036854771712\n",
		}, 4 << 30},
		{"version 1 in a container", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/a\n4:memory:/docker/0123\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
		}, 256 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir() + "/"
			for name, text := range tt.files {
				if err := os.MkdirAll(filepath.Dir(root+name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(root+name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := memoryIn(root); got != tt.want {
				t.Errorf("%d bytes, want %d", got, tt.want)
			}
		})
	}
	if got := memory(); got < 1<<24 || got > 1<<50 {
		t.Errorf("this machine has %d bytes", got)
	}
}
