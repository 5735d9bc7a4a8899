package admin

import (
	"context"
	"fmt"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/shunt-lb/shunt/director"
)

// A collector turns one status of the director into all of its metrics at
// each scrape. It keeps nothing between scrapes, so that what a reload took
// away is gone from the next one.
type collector struct {
	status func(context.Context) (director.Status, error)
	life   context.Context
}

var directorUp = prometheus.NewDesc("shunt_director_up",
	"1 if the director's loop answered this scrape in time. At 0 all metrics about services and configuration are missing.", nil, nil)

// newRegistry returns the registry of one server. It is never the default
// one, where every library may put something.
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
	describe(ch, serviceMetrics)
	describe(ch, serverMetrics)
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	st, err := c.status(c.life)
	ch <- prometheus.MustNewConstMetric(directorUp, prometheus.GaugeValue, truth(err == nil))
	if err != nil {
		return
	}
	for _, m := range statusMetrics {
		m.send(ch, &st)
	}
	seen := map[[2]string]bool{}
	for i := range st.Services {
		collectService(ch, &st.Services[i], seen)
	}
}

// collectService sends a service and its real servers. What has been seen is
// passed over: the same labels twice would cost the whole scrape.
func collectService(ch chan<- prometheus.Metric, sv *director.ServiceStatus, seen map[[2]string]bool) {
	first := func(real string) bool {
		key := [2]string{sv.Service, real}
		again := seen[key]
		seen[key] = true
		return !again
	}
	if first("") {
		for _, m := range serviceMetrics {
			m.send(ch, sv, sv.Service)
		}
	}
	for i := range sv.Servers {
		r := &sv.Servers[i]
		if !first(r.Server) {
			continue
		}
		for _, m := range serverMetrics {
			m.send(ch, r, sv.Service, r.Server)
		}
	}
}

// scrapeLog passes on what goes wrong in a scrape.
type scrapeLog struct{ warn func(msg string, args ...any) }

// Println implements promhttp.Logger.
func (l scrapeLog) Println(v ...any) {
	l.warn("metrics are incomplete", "err", fmt.Sprint(v...))
}
