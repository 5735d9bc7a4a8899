package report_test

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/shunt-lb/shunt/bench/result"
)

// seededRandom returns numbers that are the same on every run, so that goldens hold.
func seededRandom() *rand.Rand { return rand.New(rand.NewPCG(4, 2)) }

var subjects = []string{"shunt-proxy", "haproxy", "nginx", "shunt-ipvs", "keepalived", "direct"}

// small is a run that fits on a screen.
func small() result.Run {
	run := about()
	r := seededRandom()
	run.Measures = []result.Measure{
		measure(r, "connections", "64 at a time, 100 B", "connection", "shunt-proxy", 21000, 38e-6, 3),
		measure(r, "connections", "64 at a time, 100 B", "connection", "haproxy", 15000, 61e-6, 3),
		measure(r, "connections", "64 at a time, 100 B", "connection", "direct", 39000, 0, 3),
	}
	run.Measures[0].Rounds[1].Errors = 2
	run.Measures[0].Rounds[1].Failures = map[string]int{"reset by the peer": 2}
	run.Measures[0].Bounded = true
	run.Schedulers = []result.Scheduler{
		scheduler("shunt-proxy", "wrr", []int{2, 1}, 300, nil),
		scheduler("haproxy", "rr", []int{1, 1}, 300, func(seq []int) { seq[40] = seq[39] }),
	}
	run.Rewrites = []result.Rewrite{rewrite("shunt-proxy", "masq", "IPv4"), rewrite("shunt-proxy", "gate", "IPv6")}
	run.Rewrites[1].Verdict, run.Rewrites[1].Fields[0].Kept = "destination address changed", false
	run.Failovers = []result.Failover{failover(r, "shunt-proxy", "killed", 0.02), failover(r, "haproxy", "killed", 1.4)}
	run.Checks = []result.Checks{{
		Kind: "http", Subject: "shunt-proxy", RealServers: 1000, Interval: 1,
		Rounds:    []result.ChecksRound{checksRound(1000, 0.0312, 1), checksRound(1000, 0.0296, 0)},
		Lateness:  latencies(r, 0.004, []float64{0.5, 0.99, 1}),
		Detection: latencies(r, 0.6, []float64{0.5, 0.9, 0.99, 1}),
	}}
	return run
}

// big is a run of everything.
func big() result.Run {
	run := about()
	r := seededRandom()
	works := []struct {
		scenario, work, unit string
		rate, cost           float64
	}{
		{"throughput", "8 connections, both ways", "MiB", 6400, 140e-6},
		{"connections", "64 at a time, 100 B and 128 B", "connection", 18000, 42e-6},
		{"requests", "64 connections, 100 B and 128 B", "request", 120000, 7e-6},
		{"idle", "10,000 connections", "connection", 9000, 80e-6},
		{"udp", "256 flows, 64 B", "datagram", 210000, 4e-6},
	}
	for _, w := range works {
		for i, s := range subjects {
			f := 1 + 0.35*math.Sin(float64(i*3))
			m := measure(r, w.scenario, w.work, w.unit, s, w.rate*f, w.cost/f, 7)
			if s == "direct" {
				m = measure(r, w.scenario, w.work, w.unit, s, w.rate*2.2, 0, 7)
				m.Bounded = w.scenario == "throughput"
			}
			run.Measures = append(run.Measures, m)
		}
	}
	for _, s := range []string{"shunt-proxy", "shunt-ipvs"} {
		for _, name := range []string{"rr", "wrr", "lc", "wlc", "sh", "mh"} {
			sc := scheduler(s, name, []int{1, 2, 3, 4, 4, 3, 2, 1}, 4000, nil)
			sc.Name = name
			sc.Added = latencies(r, 30e-6, tails)
			run.Schedulers = append(run.Schedulers, sc)
		}
	}
	for _, m := range []string{"masq", "gate", "ipip"} {
		for _, f := range []string{"IPv4", "IPv6"} {
			run.Rewrites = append(run.Rewrites, rewrite("shunt-ipvs", m, f))
		}
	}
	for _, fault := range []string{"killed", "frozen", "unplugged", "drained", "reload", "crash"} {
		for i, s := range subjects[:5] {
			run.Failovers = append(run.Failovers, failover(r, s, fault, 0.3*float64(i*i)))
		}
	}
	for _, n := range []int{1000, 5000} {
		for _, s := range []string{"shunt-proxy", "haproxy"} {
			for _, kind := range []string{"connect", "http"} {
				run.Checks = append(run.Checks, result.Checks{
					Kind: kind, Subject: s, RealServers: n, Interval: 1,
					Rounds:    []result.ChecksRound{checksRound(n, 0.03*float64(n)/1000, 0)},
					Lateness:  latencies(r, 0.004, tails),
					Detection: latencies(r, 0.6, tails),
				})
			}
		}
	}
	return run
}

func checksRound(n int, cpu float64, failed uint64) result.ChecksRound {
	return result.ChecksRound{Seconds: 5, Checks: uint64(5 * n), Failed: &failed, CPU: 5 * cpu, Memory: 20<<20 + uint64(n)*4000, Idle: 20 << 20}
}

func about() result.Run {
	return result.Run{
		Version: result.Version,
		Began:   time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC),
		Seconds: 421.4,
		Command: []string{"shunt-bench", "run", "--duration", "3s", "--rounds", "7"},
		Machine: result.Machine{
			Processor: "AMD EPYC 9B14", Processors: 2, Memory: 24 << 30, Kernel: "6.18.5",
			Programs: map[string]string{"shunt": "v0.3.0", "haproxy": "2.6.12-1+deb12u3", "nginx": "1.22.1", "go": "go1.26.8"},
		},
		Pinning: "the director on processor 1, clients and real servers on processor 0",
		Limits: []string{
			"Both processors share caches with each other and with strangers: figures of other machines will differ.",
			"Everything runs on one machine over veth pairs; no network card takes part.",
		},
	}
}

var tails = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1}

func latencies(r *rand.Rand, middle float64, shares []float64) []result.Quantile {
	var qs []result.Quantile
	x := middle * (0.8 + 0.1*r.Float64())
	for _, s := range shares {
		x *= 1 + 0.5*r.Float64()*s
		qs = append(qs, result.Quantile{Share: s, Seconds: x})
	}
	return qs
}

func measure(r *rand.Rand, scenario, work, unit, subject string, rate, cost float64, rounds int) result.Measure {
	m := result.Measure{Scenario: scenario, Work: work, Unit: unit, Subject: subject, Command: "/usr/sbin/" + subject + " -f /tmp/lab/" + scenario + ".cfg"}
	for range rounds {
		ops := rate * 3 * (0.96 + 0.08*r.Float64())
		busy := ops * cost * (0.97 + 0.06*r.Float64())
		m.Rounds = append(m.Rounds, result.Round{
			Seconds: 3, Operations: uint64(ops), Latency: latencies(r, 32/rate, tails),
			Subject:   result.CPU{User: busy * 0.3, System: busy * 0.7, SoftIRQ: busy * 0.1},
			Generator: result.CPU{User: 0.4, System: 1.1 + 0.2*r.Float64()},
			Memory:    result.Memory{Connections: 64, PSS: 64 * 5200, Kernel: 64 * 7000},
		})
	}
	return m
}

func scheduler(subject, name string, weights []int, n int, spoil func([]int)) result.Scheduler {
	s := result.Scheduler{Subject: subject, Name: name, Protocol: "TCP", Weights: weights, Verdict: "ok"}
	var cycle []int
	total := 0
	for i, w := range weights {
		total += w
		for range w {
			cycle = append(cycle, i)
		}
	}
	for i := range n {
		s.Rule = append(s.Rule, cycle[i%total])
	}
	s.Sequence = append(s.Sequence, s.Rule...)
	if spoil != nil {
		spoil(s.Sequence)
		s.Verdict = "the sequence departs from the rule at connection 40"
	}
	s.Got, s.Expected = make([]uint64, len(weights)), make([]uint64, len(weights))
	for i := range s.Sequence {
		s.Got[s.Sequence[i]]++
		s.Expected[s.Rule[i]]++
	}
	return s
}

func rewrite(subject, method, family string) result.Rewrite {
	return result.Rewrite{
		Subject: subject, Method: method, Family: family, Packets: 2000, Verdict: "ok", File: "pcap/" + method + ".pcapng",
		Fields: []result.Field{
			{Name: "destination address", Before: "192.0.2.10", After: "10.1.0.3", Promise: "rewritten to the real server's", Kept: true},
			{Name: "source address", Before: "198.51.100.7", After: "198.51.100.7", Promise: "kept", Kept: true},
		},
	}
}

func failover(r *rand.Rand, subject, fault string, outage float64) result.Failover {
	f := result.Failover{Subject: subject, Fault: fault, Broken: uint64(outage * 10)}
	for at := -1.0; at < 8; at += 0.1 {
		m := result.Moment{At: math.Round(at*10) / 10, Good: 100}
		if m.At >= 0 && m.At < outage {
			m.Lost = 30 + uint64(r.IntN(60))
			m.Good -= m.Lost
			f.Last = m.At + 0.09
		}
		f.Requests += m.Good + m.Lost
		f.Lost += m.Lost
		f.Timeline = append(f.Timeline, m)
	}
	return f
}
