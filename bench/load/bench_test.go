package load_test

import (
	"net/netip"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/load"
)

// BenchmarkMerged is a client and a real server in one thread: what one
// operation costs both ends together.
func BenchmarkMerged(b *testing.B) {
	for name, c := range map[string]load.Client{
		"connections":    {Kind: load.Connections, Connections: 64, Request: 100, Answer: 128},
		"requests-64":    {Kind: load.Requests, Connections: 64, Request: 100, Answer: 128},
		"requests-1000":  {Kind: load.Requests, Connections: 1000, Request: 100, Answer: 128},
		"bulk-8MiB":      {Kind: load.Bulk, Connections: 8, Answer: 8 << 20, Buffer: 128 << 10},
		"udp-1":          {Kind: load.Datagrams, Connections: 64, Flows: 1, Request: 64, Answer: 64},
		"udp-ports-1000": {Kind: load.Datagrams, Connections: 64, Flows: 1000, Request: 64, Answer: 64},
		"udp-addresses-1000": {
			Kind: load.Datagrams, Connections: 64, Flows: 1000, Request: 64, Answer: 64,
			Sources: []netip.Prefix{netip.MustParsePrefix("127.1.0.0/22")},
		},
	} {
		b.Run(name, func(b *testing.B) { benchmark(b, c) })
	}
}

func benchmark(b *testing.B, c load.Client) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l, err := load.NewLoop(c, []load.Serve{{Address: netip.AddrPortFrom(local["IPv4"], 0), Number: 1}})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if err := l.Turn(2 * c.Connections); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	if err := l.Turn(b.N); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(processorTime(b)-before)/1e3/float64(b.N), "cpu-us/op")
	if e := l.Errors(); len(e) > 0 {
		b.Errorf("errors: %v", e)
	}
}

// processorTime is that of this thread in nanoseconds.
func processorTime(b *testing.B) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return ts.Nano()
}
