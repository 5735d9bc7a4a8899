package admin

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/shunt-lb/shunt/admin/internal/exposition"
	"github.com/shunt-lb/shunt/director"
)

// newRegistry returns the registry of one server, for the metrics that every Go
// program has, and the version. It is not the default one, in which any library may
// register metrics.
func newRegistry(o Options) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(o),
	)
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

// metrics answers a scrape: it turns one status of the director into all of its
// metrics. It keeps nothing between scrapes, so that services which a reload
// removed are gone from the next one.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	all := s.families()
	w.Header().Set("Content-Type", exposition.ContentType)
	if !gzipped(r.Header.Get("Accept-Encoding")) {
		s.expose(w, all)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is good
	s.expose(z, all)
	_ = z.Close()
}

// gzipped reports whether a header Accept-Encoding takes gzip.
func gzipped(accept string) bool {
	for coding := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(coding, " ", ""), ";")
		if strings.EqualFold(name, "gzip") {
			return strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != "" || weight == ""
		}
	}
	return false
}

// expose writes all metrics. An error says that the client is gone.
func (s *Server) expose(out io.Writer, all []family) {
	if _, err := out.Write(programMetrics(s.registry, s.log)); err != nil {
		return
	}
	text := exposition.NewWriter(out)
	if s.omit.Zero {
		text.LeaveZero()
	}
	for _, f := range all {
		f.write(text)
	}
	_ = text.Flush()
}

// programMetrics returns what the registry has.
func programMetrics(registry *prometheus.Registry, log *slog.Logger) []byte {
	all, err := registry.Gather()
	if err != nil {
		log.Warn("metrics are incomplete", "err", err)
	}
	var b bytes.Buffer
	for _, f := range all {
		_, _ = expfmt.MetricFamilyToText(&b, f) // a buffer takes all
	}
	return b.Bytes()
}

var loop = scope[bool]{prefix: "director_"}

var directorMetrics = []metric[bool]{
	loop.gauge("up", "1 if the director's loop answered this scrape in time. At 0 all metrics about services and configuration are missing.",
		func(up *bool) float64 { return truth(*up) }),
}

// families returns all metrics of shunt at one moment, in order of their names.
func (s *Server) families() []family {
	st, err := s.status(s.life)
	up := err == nil
	all := append(families(directorMetrics, loop.labelled(&up)), s.sorry.families()...)
	if up {
		all = append(all, statusFamilies(&st, s.omit)...)
	}
	slices.SortFunc(all, func(a, b family) int { return strings.Compare(a.name, b.name) })
	return all
}

func statusFamilies(st *director.Status, omit Omit) []family {
	all := families(statusMetrics, whole.labelled(st))
	if st.Dataplane.Load != nil {
		all = append(all, families(loadMetrics, load.labelled(st.Dataplane.Load))...)
	}
	services, servers := itemsOf(st)
	if omit.Reals {
		servers = nil
	}
	all = append(all, families(serviceMetrics, services...)...)
	all = append(all, families(serverMetrics, servers...)...)
	all = append(all, checkDurations(services))
	if st.Dataplane.Error == "" {
		all = append(all, families(serviceTraffic, services...)...)
		all = append(all, families(serverTraffic, servers...)...)
	}
	return all
}

// itemsOf returns the services and real servers of a status, those with the same
// labels once: twice would cost the scrape.
func itemsOf(st *director.Status) (services []item[director.ServiceStatus], servers []item[director.ServerStatus]) {
	seen := map[string]bool{}
	first := func(labels string) bool {
		again := seen[labels]
		seen[labels] = true
		return !again
	}
	for i := range st.Services {
		sv := &st.Services[i]
		if l := service.labelled(sv, sv.Service); first(l.labels) {
			services = append(services, l)
		}
		for j := range sv.Servers {
			if l := server.labelled(&sv.Servers[j], sv.Service, sv.Servers[j].Server); first(l.labels) {
				servers = append(servers, l)
			}
		}
	}
	return services, servers
}
