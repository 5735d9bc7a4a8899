package load_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/bench/result"
)

// begin starts a client and returns when the measured time has begun.
func begin(t *testing.T, c load.Client) *load.Process {
	t.Helper()
	p, err := load.Start(t.Context(), load.Job{Client: &c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.Stop() })
	select {
	case <-p.Begun():
	case <-p.Done():
		_, err := p.Wait()
		t.Fatal(err)
	}
	return p
}

func signal(t *testing.T, p *load.Process, s unix.Signal) {
	t.Helper()
	if err := unix.Kill(p.Pid(), s); err != nil {
		t.Fatal(err)
	}
}

// An open loop sees every request that a stall would have held up, a closed
// loop only those that it had begun.
func TestStall(t *testing.T) {
	const stall = 100 * time.Millisecond
	for name, c := range map[string]load.Client{
		"one connection": {Connections: 1, Rate: 1000},
		"64 connections": {Connections: 64, Rate: 1000},
		"closed loop":    {Connections: 2},
	} {
		t.Run(name, func(t *testing.T) {
			server := reals(t, local["IPv4"], 1)
			c.Kind, c.Targets, c.Duration = load.Requests, server.Listening(), time.Second
			p := begin(t, c)
			signal(t, server, unix.SIGSTOP)
			time.Sleep(stall) // the stall itself
			signal(t, server, unix.SIGCONT)
			o, err := p.Wait()
			if err != nil || o.Errors > 0 {
				t.Fatalf("%v %v", err, o.Failures)
			}
			held := 0.0 // begun in the first half of the stall at the latest
			for share := 1.0; share > 0 && o.Latency.Quantile(share) >= stall/2; share -= 0.001 {
				held += float64(o.Operations) / 1000
			}
			switch {
			case c.Rate == 0 && o.Latency.Quantile(0.99) > stall/2:
				t.Errorf("p99 of the closed loop is %v", o.Latency.Quantile(0.99))
			case c.Rate > 0 && held < 45:
				t.Errorf("%v operations took longer than half of the stall, want 50", held)
			case o.Latency.Quantile(1) < stall*9/10: // it begins some time after the signal
				t.Errorf("the slowest took %v, less than the stall of %v", o.Latency.Quantile(1), stall)
			}
		})
	}
}

// A real server that is killed takes its connections along; every request has
// its place in the timeline.
func TestKilled(t *testing.T) {
	const rate, interval, duration = 500, 10 * time.Millisecond, 400 * time.Millisecond
	for kind, broken := range map[load.Kind]uint64{load.Requests: 8, load.Connections: 0} {
		t.Run(string(kind), func(t *testing.T) {
			server := reals(t, local["IPv4"], 1)
			p := begin(t, load.Client{
				Kind: kind, Targets: server.Listening(), Connections: 8, Rate: rate, Interval: interval, Duration: duration,
				Timeout: 200 * time.Millisecond,
			})
			time.Sleep(100 * time.Millisecond) // so that there is a time before
			killed := time.Since(p.Began())
			signal(t, server, unix.SIGKILL)
			o, err := p.Wait()
			if err != nil {
				t.Fatal(err)
			}
			if o.Operations+o.Errors != rate*uint64(duration/time.Millisecond)/1000 || o.Operations == 0 || o.Errors == 0 {
				t.Errorf("%d operations and %d errors, want both and 200 in all", o.Operations, o.Errors)
			}
			// While descriptors close one after the other, one that broke may be
			// taken anew, and break again.
			if o.Broken < broken || o.Broken > 16 {
				t.Errorf("%d connections broke, want %d or a few more", o.Broken, broken)
			}
			checkTimeline(t, o, killed.Seconds(), interval.Seconds())
		})
	}
}

func checkTimeline(t *testing.T, o load.Outcome, fault, interval float64) {
	t.Helper()
	var sum result.Moment
	for _, m := range o.Timeline {
		sum.Good, sum.Lost = sum.Good+m.Good, sum.Lost+m.Lost
		if m.Lost > 0 && m.At+interval < fault-0.2 {
			t.Errorf("%d lost at %v s, the fault was at %v", m.Lost, m.At, fault)
		}
	}
	if sum.Good != o.Operations || sum.Lost != o.Errors || len(o.Timeline) != 40 {
		t.Errorf("%d and %d in %d moments of the timeline, want %d and %d", sum.Good, sum.Lost, len(o.Timeline), o.Operations, o.Errors)
	}
	if last := o.Timeline[len(o.Timeline)-1]; last.Good > 0 || last.Lost != 5 {
		t.Errorf("the last moment is %+v, want 5 lost", last)
	}
}

// Connections that end while nobody asks anything of them are broken too.
func TestIdleBroken(t *testing.T) {
	server := reals(t, local["IPv6"], 2)
	p := begin(t, load.Client{
		Kind: load.Idle, Targets: server.Listening(), Connections: 50, Duration: 300 * time.Millisecond,
	})
	if _, err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	o, err := p.Wait()
	if err != nil || o.Operations != 50 || o.Broken != 50 || o.Established != 0 {
		t.Errorf("%v, %d opened, %d broke, %d established, want 50, 50 and 0: %v", err, o.Operations, o.Broken, o.Established, o.Failures)
	}
}

// Connections held by somebody who is silent do not stand.
func TestIdleOfAFrozenServer(t *testing.T) {
	server := reals(t, local["IPv4"], 1)
	p := begin(t, load.Client{
		Kind: load.Idle, Targets: server.Listening(), Connections: 50, Duration: 100 * time.Millisecond, Timeout: 100 * time.Millisecond,
	})
	signal(t, server, unix.SIGSTOP)
	defer signal(t, server, unix.SIGCONT)
	o, err := p.Wait()
	if err != nil || o.Established != 0 || o.Failures["no answer in time"] != 50 {
		t.Errorf("%v, %d established, %v, want 50 without an answer", err, o.Established, o.Failures)
	}
}

func TestNoConnectionInTime(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(local["IPv4"], uint16(sa.(*unix.SockaddrInet4).Port))
	o := run(t, load.Client{
		Kind: load.Connections, Targets: []netip.AddrPort{to}, Connections: 5,
		Warmup: 100 * time.Millisecond, Duration: 200 * time.Millisecond, Timeout: 60 * time.Millisecond,
	})
	if o.Operations != 0 || o.Failures["no connection in time"] == 0 {
		t.Errorf("%d operations, %v, want connections that are not made in time", o.Operations, o.Failures)
	}
}

// At a rate nothing is waited for longer than the timeout, not even a
// connection to become free.
func TestNoneFree(t *testing.T) {
	server := reals(t, local["IPv4"], 1)
	signal(t, server, unix.SIGSTOP)
	defer signal(t, server, unix.SIGCONT)
	o := run(t, load.Client{
		Kind: load.Connections, Targets: server.Listening(), Connections: 2, Rate: 1000,
		Duration: 200 * time.Millisecond, Timeout: 50 * time.Millisecond,
	})
	if o.Errors != 200 || o.Failures["no answer in time"] == 0 || o.Failures["every connection was busy for too long"] == 0 {
		t.Errorf("%d errors, %v, want 200 of two kinds", o.Errors, o.Failures)
	}
}

func limit(t *testing.T, p *load.Process, n uint64) {
	t.Helper()
	if err := unix.Prlimit(p.Pid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: 4096}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestDescriptorsRunOut(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		server := reals(t, local["IPv4"], 1)
		p := begin(t, load.Client{
			Kind: load.Connections, Targets: server.Listening(), Connections: 64, Duration: 200 * time.Millisecond,
		})
		limit(t, p, 20)
		o, err := p.Wait()
		if err != nil || o.Operations == 0 || o.Failures["socket: too many open files"] == 0 {
			t.Errorf("%v, %d operations, %v, want both these and errors", err, o.Operations, o.Failures)
		}
	})
	t.Run("server", func(t *testing.T) {
		server := reals(t, local["IPv4"], 1)
		limit(t, server, 20)
		c := load.Client{
			Kind: load.Idle, Targets: server.Listening(), Connections: 50, Duration: 50 * time.Millisecond, Timeout: 100 * time.Millisecond,
		}
		if o := run(t, c); o.Established == 0 || o.Established >= 20 {
			t.Errorf("%d stand, want fewer than there are descriptors", o.Established)
		}
		limit(t, server, 200)
		c.Timeout = 5 * time.Second // it has yet to get rid of the others
		if o := run(t, c); o.Established != 50 {
			t.Errorf("%d stand where there are descriptors again, want 50: %v", o.Established, o.Failures)
		}
		o, err := server.Stop()
		if err != nil || o.Served[0].Failures["accept: too many open files"] == 0 {
			t.Errorf("%v, %v, want the server to tell of it", err, o.Served)
		}
	})
}

func TestStop(t *testing.T) {
	server := reals(t, local["IPv4"], 1)
	for name, byContext := range map[string]bool{"Stop": false, "context": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p, err := load.Start(ctx, load.Job{Client: &load.Client{
				Kind: load.Requests, Targets: server.Listening(), Connections: 4, Duration: time.Hour,
			}})
			if err != nil {
				t.Fatal(err)
			}
			<-p.Begun()
			stop := p.Stop
			if byContext {
				cancel()
				stop = p.Wait
			}
			o, err := stop()
			if err != nil || o.Seconds <= 0 || o.Seconds > 600 || o.Established != 4 {
				t.Errorf("%v, %v s, %d established, want what there was until then", err, o.Seconds, o.Established)
			}
		})
	}
}
