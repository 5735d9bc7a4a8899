package dataplanetest

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// broken says which promises a toy with a fault must be caught by. Others may
// catch it as well.
var broken = map[string][]string{
	"applies once":          {"remove/again"},
	"believes cancelled":    {"apply/cancelled"},
	"believes failed":       {"apply/after failure"},
	"counts nothing":        {"count/connections", "count/datagrams", "count/only grows", "count/refused"},
	"cuts on change":        {"apply/in place", "quiesce/keeps connections"},
	"cuts quiescent":        {"quiesce/keeps connections"},
	"cuts removed":          {"quiesce/removed"},
	"does not retry":        {"schedule/dead server"},
	"does not wait":         {"drain/waits", "drain/deadline"},
	"drains by force":       {"drain/waits"},
	"ends all":              {"drain/end"},
	"ends nobody":           {"drain/end"},
	"drains half":           {"drain/waits"},
	"drops empty":           {"udp/request and response"},
	"ends when empty":       {"apply/no real server", "limit/all"},
	"evens out":             {"schedule/wrr"},
	"flows stick":           {"udp/removed"},
	"forgets clients":       {"persist/client", "persist/network", "persist/removed", "persist/quiescent"},
	"pins the quiescent":    {"persist/quiescent"},
	"forgets endings":       {"count/active", "limit/lower"},
	"gap on change":         {"replace/under load"},
	"garbles":               {"stream/upload", "stream/download", "stream/both ways"},
	"goes on":               {"remove/refuses", "remove/datagrams"},
	"hides thresholds":      {"snapshot/all of it"},
	"lets go on":            {"close/connections"},
	"looks at another":      {"look/one"},
	"loses a few":           {"stream/short connections"},
	"one at a time":         {"concurrent/callers", "concurrent/one service"},
	"serves one":            {"apply/serves"},
	"hangs when empty":      {"apply/no real server"},
	"hashes nothing":        {"schedule/sh", "schedule/mh", "schedule/dh"},
	"overlooks the next":    {"schedule/by load"},
	"hoards":                {"stream/backpressure"},
	"ignores lower":         {"limit/lower"},
	"ignores netmask":       {"persist/network"},
	"ignores quiescence":    {"quiesce/takes nothing new", "udp/quiescent"},
	"ignores upper":         {"limit/upper", "limit/all"},
	"ignores weights":       {"apply/in place", "quiesce/takes nothing new"},
	"ignores wlc's weights": {"schedule/wlc"},
	"keeps reference":       {"apply/keeps no reference"},
	"knows no packets":      {"udp/one packet"},
	"limits life":           {"time/idle connection"},
	"never tires":           {"time/idle connection", "time/idle flow"},
	"waits to connect":      {"time/connect"},
	"lends memory":          {"apply/keeps no reference"},
	"lists foreign":         {"remove/foreign"},
	"loses the end":         {"stream/both ways", "stream/proper end"},
	"minds closing twice":   {"close/errors"},
	"minds unknown":         {"remove/unknown"},
	"mixes flows":           {"udp/flows"},
	"most connections":      {"schedule/lc"},
	"moves flows":           {"udp/quiescent"},
	"never changes":         {"apply/in place", "quiesce/added again", "schedule/reweighted"},
	"never forgets clients": {"persist/timeout"},
	"no half-close":         {"stream/client ends first", "stream/server ends first"},
	"one reply":             {"udp/many replies"},
	"other way round":       {"schedule/rr", "schedule/wrr"},
	"pins the dead":         {"persist/removed"},
	"removes foreign":       {"remove/foreign"},
	"resets at the end":     {"stream/proper end"},
	"short datagrams":       {"udp/request and response"},
	"spreads flows":         {"udp/flows", "udp/quiescent"},
	"starts over":           {"count/only grows"},
	"forgets who leaves":    {"count/returns"},
	"swallows resets":       {"stream/reset by server", "stream/reset by client"},
	"unordered":             {"snapshot/order"},
	"waits for ever":        {"drain/deadline"},
	"works when closed":     {"close/errors"},
	"writes equal":          {"apply/equal writes nothing"},
}

// TestBroken shows that the suite cannot be passed with any of the faults.
func TestBroken(t *testing.T) {
	before := patience
	t.Cleanup(func() { patience = before })
	patience = time.Second // what never comes is waited for here
	for fault, caught := range broken {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			var promises sync.WaitGroup
			for _, name := range caught {
				promises.Go(func() { catches(t, name, fault) })
			}
			promises.Wait()
		})
	}
}

func catches(t *testing.T, name, fault string) {
	if r := hold(t, name, fault); r.Failed() {
		t.Logf("%s: %s", name, strings.TrimSpace(r.said()))
	} else {
		t.Errorf("%s was kept", name)
	}
}

// TestEveryPromiseCanBreak wants a fault for each promise.
func TestEveryPromiseCanBreak(t *testing.T) {
	var caught []string
	for _, names := range broken {
		caught = append(caught, names...)
	}
	var known []string
	for _, p := range promises() {
		if !slices.Contains(caught, p.name) {
			t.Errorf("no fault is known that breaks %q", p.name)
		}
		known = append(known, p.name)
	}
	for _, name := range slices.AppendSeq(slices.Clone(forwarded), maps.Keys(exempt)) {
		if !slices.Contains(known, name) {
			t.Errorf("%q, which not every dataplane is held to, is no promise", name)
		}
	}
}

// hold holds a promise against a toy and returns what came of it.
func hold(t *testing.T, name, fault string) *recorder {
	t.Helper()
	all := promises()
	i := slices.IndexFunc(all, func(p promise) bool { return p.name == name })
	if i < 0 {
		t.Errorf("there is no promise %q", name)
		return &recorder{failed: true}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{TB: t, ctx: ctx}
	var run sync.WaitGroup
	run.Go(func() {
		defer r.clean()
		defer cancel()
		all[i].hold(r, loopback(fault), false)
	})
	run.Wait()
	return r
}

// A recorder is a testing.TB whose failures are not those of the test.
type recorder struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex
	log      strings.Builder
	failed   bool
	cleanups []func()
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Cleanup(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, fn)
}

// clean runs the cleanups, each on its own goroutine as each may end it.
func (r *recorder) clean() {
	for _, fn := range slices.Backward(r.cleanups) {
		var one sync.WaitGroup
		one.Go(fn)
		one.Wait()
	}
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *recorder) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(&r.log, format+"\n", args...)
}

func (r *recorder) fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
}

func (r *recorder) Errorf(format string, args ...any) { r.Logf(format, args...); r.fail() }
func (r *recorder) Error(args ...any)                 { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); runtime.Goexit() }
func (r *recorder) Fatal(args ...any)                 { r.Fatalf("%s", fmt.Sprint(args...)) }
