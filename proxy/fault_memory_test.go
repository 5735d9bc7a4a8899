package proxy_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
	"github.com/shunt-lb/shunt/internal/test/wait"
	"github.com/shunt-lb/shunt/proxy"
)

// perConnection is the most that a connection holds of what one side has sent
// and the other has not taken, and baseline what the proxy has without any.
const (
	perConnection = 2 * 64 << 10
	baseline      = 48 << 20
)

// Thousands of clients that never read from servers that send without an end,
// and the other way round, hold so much memory and no more; and others are
// served meanwhile.
func TestFaultNobodyReads(t *testing.T) {
	t.Parallel()
	if !netlab.Inside(t) {
		return
	}
	smallWindows(t)
	n := scaled(2000, 100)
	for _, tt := range []struct {
		name                  string
		clientSends, srvSends bool
		buffers               int64
	}{
		{"servers send", false, true, 0},
		{"clients send", true, false, 0},
		{"both send", true, true, 0},
		{"both send and there is no room", true, true, 1 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRemote(t, RemoteOptions{Limits: proxy.Limits{Connections: 2 * n, Buffers: tt.buffers}})
			servers, clients := newSocketPool(t, tt.srvSends), newSocketPool(t, tt.clientSends)
			v, quiet := tcpService(t, servers.listen()), tcpService(t, tcpServer(t, "127.0.0.1", echo))
			r.apply(v, quiet)
			ws, settle := watch(t, quiet.ID.Addr, 4, 2), unsettled(t, r, quiet, v)
			clients.dial(v.ID.Addr, n)
			inTheEnd(t, "all have their real server", func() bool { return servers.size() == n })
			peak := stalled(t, r, servers, clients)
			limit := uint64(n)*perConnection + baseline
			if tt.buffers > 0 {
				limit = uint64(n)<<10 + uint64(tt.buffers) + baseline
				wantBounded(t, r.vitals(false).Load.Buffers)
			}
			if peak > limit {
				t.Errorf("%s for %d connections, want at most %s", mib(peak), n, mib(limit))
			}
			busy := r.vitals(false).Busy
			settle()
			t.Logf("%d connections: %s, resident %s; taken in %s; busy %v", n, mib(peak), mib(r.resident()),
				mib(uint64(servers.sent.Load()+clients.sent.Load())), busy)
			clients.scatter()
			servers.scatter()
			t.Log(ws.heard())
			wantEmpty(t, r)
		})
	}
}

// wantBounded sees that there was no room for all, and that those who were given
// some are few. Each worker may have one more.
func wantBounded(t *testing.T, b dataplane.Usage) {
	t.Helper()
	if most := b.Limit + int64(runtime.GOMAXPROCS(0))*64<<10; b.Refused == 0 || b.Used > most {
		t.Errorf("%d bytes held, want at most %d, and %d refused", b.Used, most, b.Refused)
	}
}

// smallWindows bounds what the sockets of this namespace hold. What the kernel
// gives those of a few hundred connections that nobody reads from is all the
// memory that the host has for TCP, and then it ends connections of anybody.
func smallWindows(t *testing.T) {
	t.Helper()
	here := get[*netlab.Namespace](t)(netlab.Test(t).Here("here"))
	must(t, here.Sysctl("net.ipv4.tcp_rmem", "4096 32768 32768"))
	must(t, here.Sysctl("net.ipv4.tcp_wmem", "4096 16384 16384"))
}

// stalled waits until nothing moves any more among the crowds and returns the most
// memory that the proxy had.
func stalled(t *testing.T, r *remote, crowds ...*socketPool) (peak uint64) {
	sum := func() (n int64) {
		for _, w := range crowds {
			n += w.sent.Load()
		}
		return n
	}
	last, still := sum(), 0
	inTheEnd(t, "nobody takes any more", func() bool {
		peak = max(peak, r.vitals(false).Memory)
		time.Sleep(20 * time.Millisecond)
		if now := sum(); now == last {
			still++
		} else {
			last, still = now, 0
		}
		return still == 8
	})
	return peak
}

// wantEmpty waits until the proxy carries nothing, and has given back what
// that took.
func wantEmpty(t *testing.T, r *remote) {
	t.Helper()
	inTheEnd(t, "no connection is left", func() bool { return r.connections() == 0 })
	v := r.vitals(true)
	if v.Memory > baseline {
		t.Errorf("%s without a connection, want at most %s", mib(v.Memory), mib(baseline))
	}
	t.Logf("afterwards %s, resident %s, %d descriptors", mib(v.Memory), mib(r.resident()), r.files())
}

// scaled is full, or few in a short run or under the race detector.
func scaled(full, few int) int {
	if testing.Short() || raceDetector {
		return few
	}
	return full
}

// inTheEnd is wait.Until that ends as soon as a goroutine of the test has failed.
func inTheEnd(t testing.TB, what string, ok func() bool) {
	t.Helper()
	wait.Until(t, what, func() bool {
		if t.Failed() {
			t.Fatalf("%s: the test has failed meanwhile", what)
		}
		return ok()
	})
}
