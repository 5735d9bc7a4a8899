package load_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/bench/load"
)

func TestLatency(t *testing.T) {
	var a, b load.Latency
	for i := range 1000 {
		a.Record(time.Duration(i+1) * time.Microsecond)
		b.Record(time.Duration(i+1) * time.Millisecond)
	}
	b.Record(time.Hour)
	b.Record(-1)
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var read load.Latency
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	a.Merge(read)
	a.Merge(load.Latency{})
	if a.Count() != 2002 {
		t.Errorf("%d recorded, want 2002", a.Count())
	}
	for share, want := range map[float64]time.Duration{0.25: 501 * time.Microsecond, 0.75: 501 * time.Millisecond, 1: time.Minute} {
		if got := a.Quantile(share); got < want*998/1000 || got > want*1002/1000 {
			t.Errorf("%v took no longer than %v, want %v", share, got, want)
		}
	}
	if qs := a.Quantiles(0.5, 1); len(qs) != 2 || qs[1].Share != 1 || qs[1].Seconds < 59.9 || qs[1].Seconds > 60.1 {
		t.Errorf("quantiles %v, want two, the last of a minute", qs)
	}
}

func TestLatencyRefused(t *testing.T) {
	var l load.Latency
	if err := json.Unmarshal([]byte(`"abc"`), &l); err == nil || l.Count() != 0 {
		t.Errorf("read %d durations from what is no histogram: %v", l.Count(), err)
	}
}

func TestRefusedJobs(t *testing.T) {
	good := load.Client{
		Kind: load.Requests, Targets: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}, Connections: 1, Duration: 1,
	}
	for want, change := range map[string]func(*load.Client){
		"unknown kind":     func(c *load.Client) { c.Kind = "dance" },
		"no target":        func(c *load.Client) { c.Targets = nil },
		"an address and":   func(c *load.Client) { c.Targets = []netip.AddrPort{{}} },
		"0 connections":    func(c *load.Client) { c.Connections = 0 },
		"duration 0s":      func(c *load.Client) { c.Duration = 0 },
		"negative":         func(c *load.Client) { c.Rate = -1 },
		"of one family":    func(c *load.Client) { c.Targets = append(c.Targets, netip.MustParseAddrPort("[::1]:9")) },
		"of that family":   func(c *load.Client) { c.Sources = []netip.Prefix{netip.MustParsePrefix("::1/128")} },
		"bytes at most":    func(c *load.Client) { c.Answer = 1 << 33 },
		"for a datagram":   func(c *load.Client) { c.Kind, c.Request = load.Datagrams, 1<<16 },
		"rate for":         func(c *load.Client) { c.Kind, c.Rate = load.Idle, 5 },
		"moments, want at": func(c *load.Client) { c.Duration, c.Interval = time.Hour, time.Microsecond },
	} {
		c := good
		change(&c)
		_, err := load.Start(t.Context(), load.Job{Client: &c})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error about %q", c, err, want)
		}
	}
	for want, j := range map[string]load.Job{
		"neither a client nor":  {},
		"and no client":         {Beside: &good, Serve: []load.Serve{{Address: good.Targets[0]}}},
		"beside a client, want": {Client: &good, Beside: &good},
		"0 connections":         {Client: &good, Beside: &load.Client{Kind: load.Bulk, Targets: good.Targets}},
	} {
		if _, err := load.Start(t.Context(), j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error about %q", j, err, want)
		}
	}
}
