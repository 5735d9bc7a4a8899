package load_test

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/load"
)

// Small requests at a rate and bulk beside them are measured in the same time,
// and each is counted for itself.
func TestBeside(t *testing.T) {
	for family, a := range local {
		t.Run(family, func(t *testing.T) {
			at := reals(t, a, 2).Listening()
			requests := load.Client{
				Kind: load.Requests, Targets: at, Connections: 16, Request: 100, Answer: 128, Rate: 500,
				Warmup: 20 * time.Millisecond, Duration: 200 * time.Millisecond,
			}
			bulk := load.Client{Kind: load.Bulk, Targets: at, Connections: 3, Answer: 1 << 20, Buffer: 128 << 10}
			o, err := load.Run(t.Context(), load.Job{Client: &requests, Beside: &bulk})
			if err != nil {
				t.Fatal(err)
			}
			if o.Operations != 100 || o.Errors != 0 || o.Received > 1<<20 || o.Latency.Count() != 100 {
				t.Errorf("%d requests, %d errors %v, %d bytes, latency of %d; want 100 requests", o.Operations, o.Errors, o.Failures, o.Received, o.Latency.Count())
			}
			b := o.Beside
			if b == nil || b.Received == 0 || b.Errors != 0 || b.Seconds != o.Seconds || !b.Began.Equal(o.Began) {
				t.Errorf("beside them: %+v, want bulk in the same time", b)
			}
		})
	}
}

// Beside bulk that never ends, such as that of a real server that is stuck, the
// client ends when it has done its own work.
func TestBesideEndsWithTheClient(t *testing.T) {
	stuck := tcp(t, local["IPv4"], func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	requests := load.Client{Kind: load.Requests, Targets: reals(t, local["IPv4"], 1).Listening(), Connections: 1, Duration: 200 * time.Millisecond}
	bulk := load.Client{Kind: load.Bulk, Targets: []netip.AddrPort{stuck}, Connections: 2, Answer: 1 << 20, Timeout: 50 * time.Millisecond}
	o, err := load.Run(t.Context(), load.Job{Client: &requests, Beside: &bulk})
	if err != nil {
		t.Fatal(err)
	}
	if o.Operations == 0 || o.Errors != 0 {
		t.Errorf("%d requests, %d errors %v", o.Operations, o.Errors, o.Failures)
	}
	if o.Beside == nil || o.Beside.Operations != 0 || o.Beside.Failures["no answer in time"] == 0 {
		t.Errorf("beside them: %+v, want failures alone", o.Beside)
	}
}
