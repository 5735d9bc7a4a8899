package admin

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/shunt-lb/shunt/director"
)

// A collector turns one status of the director into all of its metrics at each
// scrape. It keeps nothing between scrapes, so that services which a reload
// removed are gone from the next one.
type collector struct {
	status func(context.Context) (director.Status, error)
	life   context.Context
}

var directorUp = prometheus.NewDesc("shunt_director_up",
	"1 if the director's loop answered this scrape in time. At 0 all metrics about services and configuration are missing.", nil, nil)

// newRegistry returns the registry of one server. It is not the default one, in
// which any library may register metrics.
func (s *Server) newRegistry(o Options) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(o),
		collector{status: s.status, life: s.life},
	)
	if o.Sorry != nil {
		r.MustRegister(sorryCollector(o.Sorry))
	}
	return r
}

func buildInfo(o Options) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "shunt_build_info",
		Help:        "Always 1; which shunt this is.",
		ConstLabels: prometheus.Labels{"version": o.Version, "commit": o.Commit, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- directorUp
	describe(ch, statusMetrics)
	describe(ch, loadMetrics)
	describe(ch, serviceMetrics)
	describe(ch, serverMetrics)
	describe(ch, serviceTraffic)
	describe(ch, serverTraffic)
	ch <- checkDurations
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	st, err := c.status(c.life)
	ch <- prometheus.MustNewConstMetric(directorUp, prometheus.GaugeValue, truth(err == nil))
	if err != nil {
		return
	}
	sendAll(ch, statusMetrics, &st)
	if st.Dataplane.Load != nil {
		sendAll(ch, loadMetrics, st.Dataplane.Load)
	}
	services, servers := serviceMetrics, serverMetrics
	if st.Dataplane.Error == "" {
		services = slices.Concat(services, serviceTraffic)
		servers = slices.Concat(servers, serverTraffic)
	}
	first := newOnce()
	for i := range st.Services {
		sv := &st.Services[i]
		if first(sv.Service, "") {
			sendAll(ch, services, sv, sv.Service)
			sendDurations(ch, sv)
		}
		for j := range sv.Servers {
			if r := &sv.Servers[j]; first(sv.Service, r.Server) {
				sendAll(ch, servers, r, sv.Service, r.Server)
			}
		}
	}
}

func sendAll[T any](ch chan<- prometheus.Metric, ms []metric[T], v *T, labels ...string) {
	for _, m := range ms {
		m.send(ch, v, labels...)
	}
}

// newOnce returns a function that reports whether it sees a service and real
// server for the first time: the same labels twice would cost the scrape.
func newOnce() func(service, real string) bool {
	seen := map[[2]string]bool{}
	return func(service, real string) bool {
		key := [2]string{service, real}
		again := seen[key]
		seen[key] = true
		return !again
	}
}

// scrapeLog logs the errors of scrapes.
type scrapeLog struct{ warn func(msg string, args ...any) }

// Println implements promhttp.Logger.
func (l scrapeLog) Println(v ...any) {
	l.warn("metrics are incomplete", "err", fmt.Sprint(v...))
}
