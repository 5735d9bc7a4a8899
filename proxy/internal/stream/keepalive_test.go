package stream

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/proxy/internal/engine"
	"github.com/shunt-lb/shunt/proxy/internal/virtual"
)

// keepaliveOf reads back what the kernel has been told about a socket. With
// keepalives off there is no idle.
func keepaliveOf(t testing.TB, fd int32) keepalive {
	t.Helper()
	get := func(level, option int) int32 {
		n, err := unix.GetsockoptInt(int(fd), level, option)
		if err != nil {
			t.Fatal(err)
		}
		return int32(n)
	}
	v := keepalive{userTimeout: get(unix.SOL_TCP, unix.TCP_USER_TIMEOUT)}
	if get(unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0 {
		v.idle, v.every = get(unix.SOL_TCP, unix.TCP_KEEPIDLE), get(unix.SOL_TCP, unix.TCP_KEEPINTVL)
		v.probes = get(unix.SOL_TCP, unix.TCP_KEEPCNT)
	}
	return v
}

func TestKeepalive(t *testing.T) {
	tests := []struct {
		keep, unheard time.Duration
		want          keepalive
		late          time.Duration // when the server's side has its keepalives
	}{
		{0, 0, keepalive{60, 15, 4, 0, engine.LookEvery}, 10 * time.Second},
		{time.Second, 0, keepalive{1, 1, 4, 0, 11}, time.Second},
		{20 * time.Second, 1500 * time.Millisecond, keepalive{20, 5, 4, 1500, engine.LookEvery}, 10 * time.Second},
		{1500 * time.Millisecond, time.Minute, keepalive{2, 1, 4, 60_000, 16}, 1500 * time.Millisecond},
		{1e6 * time.Hour, 1e6 * time.Hour, keepalive{32767, 8191, 4, 1<<31 - 1, engine.LookEvery}, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.keep.String(), func(t *testing.T) {
			v := newKeepalive(tt.keep, tt.unheard)
			if v != tt.want {
				t.Errorf("%+v, want %+v", v, tt.want)
			}
			l, addr := listen(t)
			r := newFixture(t, addr)
			r.service.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Hour, KeepAlive: tt.keep, UserTimeout: tt.unheard}})
			r.h.accept.tune(r.fd)
			r.pair(l)
			tt.want.soonest = 0
			if got := keepaliveOf(t, r.only().sides[client].fd); got != tt.want {
				t.Errorf("client's side: %+v, want %+v", got, tt.want)
			}
			if got := keepaliveOf(t, r.only().sides[server].fd); got != (keepalive{userTimeout: tt.want.userTimeout}) {
				t.Errorf("server's side at first: %+v", got)
			}
			r.Pass(tt.late + 2*engine.TickLength)
			if got := keepaliveOf(t, r.only().sides[server].fd); got != tt.want {
				t.Errorf("server's side: %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Clients have from their listener what the settings were when it was made,
// and after Tune what they have become.
func TestTune(t *testing.T) {
	e := engine.New(engine.Options{Workers: 2, Log: slog.New(slog.DiscardHandler)})
	f := streams(e, 10)
	defer e.Close()
	_, addr := listen(t)
	s := newService(addr)
	s.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute, KeepAlive: 20 * time.Second}})
	free, vip := listen(t)
	_ = free.Close()
	ln, err := f.Listen(context.Background(), vip, s)
	if err != nil {
		t.Fatal(err)
	}
	want := func(idle, unheard int32) {
		t.Helper()
		c, err := net.Dial("tcp", vip.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var seen atomic.Int32
		for end := time.Now().Add(time.Minute); seen.Load() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			_ = e.Each(t.Context(), func(w *engine.Worker) {
				h := engine.Of[*handler](w)
				h.conns.all(func(c *conn) {
					seen.Add(1)
					if got := keepaliveOf(t, c.sides[client].fd); got.idle != idle || got.userTimeout != unheard {
						t.Errorf("client's side: %+v, want %d s and %d ms", got, idle, unheard)
					}
					h.cut(c)
				})
			})
		}
		if n := seen.Load(); n != 1 {
			t.Errorf("%d connections, want one", n)
		}
	}
	want(20, 0)
	s.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute, UserTimeout: 3 * time.Second}})
	ln.Tune(t.Context())
	want(60, 3000)
	s.Set(virtual.Settings{Options: dataplane.Options{ConnectTimeout: time.Second, IdleTimeout: time.Minute}})
	ln.Tune(t.Context())
	want(60, 0)
	// The numbers of its sockets may be somebody else's after this.
	_ = ln.Close(t.Context())
	ln.Tune(t.Context())
}
