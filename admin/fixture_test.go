package admin_test

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

var update = flag.Bool("update", false, "rewrite the golden files and the table in METRICS.md")

func TestMain(m *testing.M) {
	time.Local = time.UTC // golden files hold local times
	leak.Main(m)
}

// The director is what the server reads.
var _ admin.Source = (*director.Director)(nil)

// A source is a director made of two functions.
type source struct {
	status func(context.Context) (director.Status, error)
	reload func(context.Context) error
}

func (s source) Status(ctx context.Context) (director.Status, error) { return s.status(ctx) }
func (s source) History(ctx context.Context, service, real string) ([]director.ServerHistory, error) {
	if _, err := s.status(ctx); err != nil {
		return nil, err
	}
	return []director.ServerHistory{history(service, real)}, nil
}
func (s source) Reload(ctx context.Context) error { return s.reload(ctx) }

// tells is a source that always has st.
func tells(st director.Status) source {
	return source{
		status: func(context.Context) (director.Status, error) { return st, nil },
		reload: func(context.Context) error { return nil },
	}
}

// stuck is a source whose loop does not answer any more.
func stuck() source {
	return source{
		status: func(ctx context.Context) (director.Status, error) {
			<-ctx.Done()
			return director.Status{}, ctx.Err()
		},
		reload: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	}
}

// newServer returns a server that is closed with the test.
func newServer(t testing.TB, src admin.Source) *admin.Server {
	t.Helper()
	s := admin.New(admin.Options{
		Source: src, Log: slog.New(slog.DiscardHandler),
		Version: "1.2.3", Commit: "0123abcd",
		Sorry: func() map[string]admin.SorryStats {
			return map[string]admin.SorryStats{"tcp 10.0.0.100:80": {
				Connections: 31, Active: 1, Refused: 2, Requests: 40, Lines: 3, Queries: 4, Resets: 5, Ignored: 6,
			}}
		},
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// closing closes what a test has opened.
func closing(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

var now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

func before(d time.Duration) time.Time { return now.Add(-d) }

// troubled is a director on a bad night.
func troubled() director.Status {
	return director.Status{
		Started: before(75 * time.Hour),
		Unready: "not served as wanted: 1 of 3 virtual services; udp [2001:db8:85a3:8d3:1319:8a2e:370:7348]:53 cannot be served: " +
			"listen udp [2001:db8:85a3:8d3:1319:8a2e:370:7348]:53: address already in use",
		Dataplane: director.DataplaneStatus{
			Name: "proxy", Reason: "auto: the kernel has no IPVS", Repairs: 2,
			Load: &dataplane.Load{
				Connections: dataplane.Usage{Used: 20000, Limit: 20000, Refused: 17},
				Flows:       dataplane.Usage{Used: 812, Limit: 65536},
				Buffers:     dataplane.Usage{Used: 3 << 20, Limit: 256 << 20, Refused: 5},
				Evicted:     9, Pauses: 1, EvictedSources: 4,
			},
		},
		Config: director.ConfigStatus{
			Path: "/etc/ha.d/ldirectord.cf", Loaded: before(27 * time.Hour), Reloads: 5, ReloadFailures: 1,
			ReloadError: "/etc/ha.d/ldirectord.cf:12:2: error: unknown directive `persistence` (did you mean `persistent`?)\n" +
				"/etc/ha.d/ldirectord.cf:19: error: real server 192.168.80.120 has no port",
			ReloadTried: before(5 * time.Minute),
			Warnings:    []string{"/etc/ha.d/ldirectord.cf:3:9: warning: typographic quotes taken for plain ones"},
			Waiting:     []string{"/etc/ha.d/ldirectord.cf:7:10: waiting: no address found for `web9`: no such host; until there is one this real server is left out"},
		},
		Services: []director.ServiceStatus{web(), dns(), mail()},
		Transitions: []director.Transition{
			{Time: before(40 * time.Minute), Service: "tcp 10.0.0.100:80", Server: "192.168.80.130:80", From: director.Up, To: director.Maintenance, Cause: "file /etc/ha.d/maintenance/web3"},
			{Time: before(95 * time.Second), Service: "tcp 10.0.0.100:80", Server: "192.168.80.120:80", From: director.Up, To: director.Down, Cause: "connect 192.168.80.120:80: connection refused"},
			{Time: before(9 * time.Second), Service: "tcp 10.0.0.100:25", Server: "fallback", From: director.Standby, To: director.Active, Cause: "no real server is left"},
		},
	}
}

func web() director.ServiceStatus {
	return director.ServiceStatus{
		Service: "tcp 10.0.0.100:80", Name: "www.example.com", Scheduler: "wrr", Persistent: director.Seconds(10 * time.Minute),
		Check: "negotiate http", Fallback: "sorry", Served: true,
		Counters: dataplane.Counters{
			Connections: 918273, InBytes: 514_322_115, OutBytes: 88_123_456_789, Failures: 14,
			Refused: 3, Refusals: dataplane.Refusals{dataplane.Unreachable: 2, dataplane.Queued: 1}, Denied: 12, Throttled: 7, Queued: 40, Cut: 5,
		},
		Waiting:          2,
		Warnings:         []string{"another machine claims 10.0.0.100 on eth0 by ARP, as 52:54:00:65:43:21: packets of clients go there, past the director"},
		CheckDurations:   director.Histogram{Buckets: map[float64]uint64{0.001: 190000, 0.0025: 280000, 0.005: 291000}, Count: 291696, Sum: 14 * time.Minute},
		FallbackCounters: dataplane.Counters{Connections: 31, InBytes: 4100, OutBytes: 52_000, Failures: 1},
		Servers: []director.ServerStatus{
			{
				Server: "192.168.80.110:80", Forward: "masq", Weight: 2, Current: 2, State: director.Up,
				Since: before(27 * time.Hour), Cause: "check succeeded", Checked: before(time.Second), Duration: director.Seconds(3141 * time.Microsecond),
				Rises: 97200, ChecksOK: 97200, ChecksBad: 1, Transitions: 1, Active: 112, Persistent: 40,
				Counters: dataplane.Counters{Connections: 612345, InBytes: 342_881_400, OutBytes: 58_123_456_789},
			},
			{
				Server: "192.168.80.120:80", Forward: "masq", Weight: 1, Current: 0, State: director.Down,
				Since: before(95 * time.Second), Cause: "connect 192.168.80.120:80: connection refused",
				Checked: before(500 * time.Millisecond), Duration: director.Seconds(210 * time.Microsecond),
				Result: "connect 192.168.80.120:80: connection refused", Reason: "refused", Fails: 95, ChecksOK: 97000, ChecksBad: 95, Transitions: 3, Hastened: 1, Active: 7,
				Counters: dataplane.Counters{Connections: 305897, InBytes: 171_436_615, OutBytes: 29_999_948_000, Failures: 13},
			},
			{
				Server: "192.168.80.130:80", Forward: "gate", Weight: 1, Current: 0, State: director.Maintenance,
				Warnings: []string{"it claims 10.0.0.100 on eth0 by ARP, as 52:54:00:12:34:56: packets of clients go there, past the director"},
				Since:    before(40 * time.Minute), Cause: "file /etc/ha.d/maintenance/web3",
				Checked: before(700 * time.Millisecond), Duration: director.Seconds(2 * time.Millisecond), Rises: 2400, ChecksOK: 2400, Transitions: 1,
			},
		},
	}
}

func dns() director.ServiceStatus {
	return director.ServiceStatus{
		Service: "udp [2001:db8:85a3:8d3:1319:8a2e:370:7348]:53", Scheduler: "rr", Check: "connect",
		Error:    "listen udp [2001:db8:85a3:8d3:1319:8a2e:370:7348]:53: address already in use",
		Counters: dataplane.Counters{Connections: 5, InPackets: 10, OutPackets: 11},
		Servers: []director.ServerStatus{
			{Server: "[2001:db8:85a3:8d3:1319:8a2e:370:1001]:53", Forward: "masq", Weight: 1, State: director.Down, Since: before(75 * time.Hour), Cause: "start"},
			{
				Server: "[2001:db8::2]:53", Forward: "masq", Weight: 10, State: director.Pending, Since: before(75 * time.Hour),
				Checked: before(2 * time.Second), Duration: director.Seconds(2500 * time.Millisecond), Fails: 1, ChecksOK: 10, ChecksBad: 1,
				Result: "dns [2001:db8::2]:53: no answer within 2.5s", Reason: "timeout",
				Counters: dataplane.Counters{Connections: 5, InPackets: 10, OutPackets: 11},
				Inactive: 4,
			},
			{
				Server: "[2001:db8::3]:53", Forward: "masq", Weight: 1, Current: 1, State: director.Kept, Kept: "maxdown", Since: before(time.Minute),
				Cause:   "its checks fail, and maxdown=50% keeps it in use: dns [2001:db8::3]:53: no answer within 2.5s",
				Checked: before(2 * time.Second), Duration: director.Seconds(2500 * time.Millisecond), Fails: 6, ChecksOK: 10, ChecksBad: 6,
				Result: "dns [2001:db8::3]:53: no answer within 2.5s", Reason: "timeout",
			},
		},
	}
}

func mail() director.ServiceStatus {
	return director.ServiceStatus{
		Service: "tcp 10.0.0.100:25", Scheduler: "sh", Check: "negotiate smtp", Verify: "/etc/ssl/our-ca.pem", Fallback: "10.0.0.9:25", FallbackActive: true, ErrorLimit: 10,
		Quorum:  &director.QuorumStatus{Quorum: 3, Hysteresis: 1, Weight: 1},
		Changed: []string{"scheduler rr instead of sh", "real server 192.168.80.140:25 has weight 1 instead of 0"},
		Servers: []director.ServerStatus{{
			Server: "192.168.80.140:25", Forward: "ipip", Tunnel: "gue port 6080", Weight: 1, State: director.Down, Since: before(9 * time.Second),
			Request: "weight 75% (nightly job)", Expires: now.Add(123 * time.Hour),
			Checked: before(4 * time.Second), Duration: director.Seconds(time.Second), Fails: 3, ChecksBad: 3, Transitions: 1,
			Checks: []director.CheckStatus{
				{Check: "negotiate smtp", Checked: before(4 * time.Second), Duration: director.Seconds(time.Second), Fails: 3, Reason: "status", Result: "smtp 192.168.80.140:25: status 554"},
				{Check: "check=imap port=143", OK: true, Checked: before(3 * time.Second), Duration: director.Seconds(time.Millisecond), Rises: 5},
				{Check: "agent=9999", Checked: before(3 * time.Second), Silent: true, Reason: "refused", Result: "agent=9999: agent 192.168.80.140:9999: connection refused"},
			},
			Result: "smtp 192.168.80.140:25: status 554 no SMTP service here for you, come back another day, want 220", Reason: "status",
		}},
	}
}

// history is that of a real server that has gone down.
func history(service, real string) director.ServerHistory {
	h := director.ServerHistory{
		Service: service, Name: "www.example.com", Server: real, State: director.Down, Since: before(time.Minute), Cause: "http 10.0.0.2:80: status 503, want 2xx",
	}
	for i := range 10 {
		c := director.CheckResult{Time: before(time.Duration(10-i) * 10 * time.Second), Duration: director.Seconds(1500 * time.Microsecond), OK: i < 5}
		if !c.OK {
			c.Reason, c.Result = "status", h.Cause
		}
		h.Checks = append(h.Checks, c)
	}
	h.Checks[9].Reason, h.Checks[9].Result = "mismatch", "http 10.0.0.2:80: body does not match \x1b[2J"
	return h
}

// calm is a director with nothing to complain about.
func calm() director.Status {
	st := director.Status{
		Started: before(time.Hour), Ready: true,
		Dataplane: director.DataplaneStatus{Name: "ipvs", Reason: "asked for"},
		Config:    director.ConfigStatus{Path: "/etc/ha.d/ldirectord.cf", Loaded: before(time.Hour)},
		Services:  []director.ServiceStatus{web()},
	}
	st.Services[0].Servers, st.Services[0].Warnings = st.Services[0].Servers[:1], nil
	return st
}
