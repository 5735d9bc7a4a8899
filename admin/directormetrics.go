package admin

import (
	"time"

	"github.com/shunt-lb/shunt/admin/internal/exposition"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

// Every metric about the director stands here and in METRICS.md.
var (
	whole   = scope[director.Status]{}
	service = scope[director.ServiceStatus]{prefix: "service_", labels: []string{"service"}}
	server  = scope[director.ServerStatus]{prefix: "real_server_", labels: []string{"service", "real"}}
)

var statusMetrics = []metric[director.Status]{
	whole.timestamp("start_timestamp_seconds", "When the director started, in seconds since 1970.",
		func(st *director.Status) time.Time { return st.Started }),
	whole.gauge("ready", "1 if the dataplane has every service as the director wants it.",
		func(st *director.Status) float64 { return truth(text.Unready(*st) == nil) }),
	whole.info("dataplane_info", "Always 1; which dataplane forwards, and why that one.", []string{"name", "reason"},
		func(st *director.Status) []string { return []string{st.Dataplane.Name, st.Dataplane.Reason} }),
	whole.gauge("dataplane_up", "1 if the dataplane could be read back. At 0 all metrics of traffic and connections are missing.",
		func(st *director.Status) float64 { return truth(st.Dataplane.Error == "") }),
	whole.counter("dataplane_repairs_total", "Services put right after somebody else changed them.",
		func(st *director.Status) uint64 { return st.Dataplane.Repairs }),
	whole.gauge("config_last_reload_successful", "0 if the latest reload was refused and the configuration before it stays in force, else 1.",
		func(st *director.Status) float64 { return truth(st.Config.ReloadError == "") }),
	whole.timestamp("config_last_reload_success_timestamp_seconds", "When the configuration in force was put in force, in seconds since 1970.",
		func(st *director.Status) time.Time { return st.Config.Loaded }),
	whole.timestamp("config_last_reload_attempt_timestamp_seconds", "When a reload was last tried, in seconds since 1970; missing before the first one.",
		func(st *director.Status) time.Time { return st.Config.ReloadTried }),
	whole.counter("config_reloads_total", "Reloads put in force since the start.",
		func(st *director.Status) uint64 { return st.Config.Reloads }),
	whole.counter("config_reload_failures_total", "Reloads refused since the start.",
		func(st *director.Status) uint64 { return st.Config.ReloadFailures }),
	whole.gauge("config_warnings", "Warnings about the configuration in force.",
		func(st *director.Status) float64 { return float64(len(st.Config.Warnings)) }),
	whole.gauge("config_waiting", "Names without an address and missing files that the configuration in force refers to. shunt looks for them again and again.",
		func(st *director.Status) float64 { return float64(len(st.Config.Waiting)) }),
}

var serviceMetrics = []metric[director.ServiceStatus]{
	service.info("info", "Always 1; how the service is configured. The name is its servicename.", []string{"name", "scheduler", "check", "fallback"},
		func(sv *director.ServiceStatus) []string {
			return []string{sv.Name, sv.Scheduler, sv.Check, sv.Fallback}
		}),
	service.metric(gaugeKind, "real_servers", "Real servers of the service in each state: up, pending, kept, drain, down, maintenance.", []string{"state"}, serversByState),
	service.gauge("fallback_active", "1 while the fallback answers.",
		func(sv *director.ServiceStatus) float64 { return truth(sv.FallbackActive) }),
	service.gauge("failopen", "1 while real servers with failing checks serve in place of the fallback, by failopen.",
		func(sv *director.ServiceStatus) float64 { return truth(sv.FailOpen) }),
	quorumGauge("quorum", "The weight of usable real servers that the service needs; missing where no directive asks for it.",
		func(q director.QuorumStatus) float64 { return float64(q.Quorum) }),
	quorumGauge("quorum_weight", "The weight of the usable real servers, in units of the configuration.",
		func(q director.QuorumStatus) float64 { return float64(q.Weight) }),
	quorumGauge("quorum_reached", "1 if the usable real servers weigh enough.",
		func(q director.QuorumStatus) float64 { return truth(q.Reached) }),
	service.gauge("served", "1 while the dataplane has the service as the director wants it; 0 also before the first checks of its real servers have ended.",
		func(sv *director.ServiceStatus) float64 { return truth(sv.Served) }),
	service.gauge("apply_error", "1 while the dataplane does not serve the service as configured; the status has the error.",
		func(sv *director.ServiceStatus) float64 { return truth(sv.Error != "") }),
	service.gauge("warnings", "Warnings about the service as a whole, which take no real server out of use; the status lists them.",
		func(sv *director.ServiceStatus) float64 { return float64(len(sv.Warnings)) }),
	service.gauge("changes", "Number of differences between the service in the dataplane and what shunt applied, because somebody else changed it; the status lists them.",
		func(sv *director.ServiceStatus) float64 { return float64(len(sv.Changed)) }),
}

var serverMetrics = []metric[director.ServerStatus]{
	server.info("info", "Always 1; the forwarding method of the real server.", []string{"forward"},
		func(r *director.ServerStatus) []string { return []string{r.Forward} }),
	server.gauge("up", "1 if the real server is in use: not found down by its check, not taken out by the operator, and in the dataplane.",
		func(r *director.ServerStatus) float64 { return truth(r.State == director.Up) }),
	server.gauge("kept", "1 if the real server is in use although its checks fail, by maxdown or failopen.",
		func(r *director.ServerStatus) float64 { return truth(r.State == director.Kept) }),
	server.gauge("maintenance", "1 if the operator has taken the real server out.",
		func(r *director.ServerStatus) float64 { return truth(r.State == director.Maintenance) }),
	server.gauge("weight", "The weight in the dataplane, reduced during a slow start; with 0 the real server gets no new connections.",
		weightInForce),
	server.gauge("configured_weight", "The weight in the configuration.",
		func(r *director.ServerStatus) float64 { return float64(r.Weight) }),
	server.metric(counterKind, "checks_total", "Checks by result: ok, failed.", []string{"result"},
		func(r *director.ServerStatus, emit sample) {
			emit(float64(r.ChecksOK), "ok")
			emit(float64(r.ChecksBad), "failed")
		}),
	server.metric(gaugeKind, "check_up", "1 if one of several checks of the real server finds it well; an agent that says nothing changes nothing. Missing where there is one check alone.", []string{"check"},
		func(r *director.ServerStatus, emit sample) {
			for _, c := range r.Checks {
				emit(truth(c.OK), c.Check)
			}
		}),
	server.counter("hastened_checks_total", "Checks made early because clients did not reach the real server, by observe.",
		func(r *director.ServerStatus) uint64 { return r.Hastened }),
	server.metric(gaugeKind, "last_check_duration_seconds", "How long the latest check took; missing before the first one.", nil,
		func(r *director.ServerStatus, emit sample) {
			if !r.Checked.IsZero() {
				emit(time.Duration(r.Duration).Seconds())
			}
		}),
	server.timestamp("last_check_timestamp_seconds", "When the latest check ended, in seconds since 1970; missing before the first one.",
		func(r *director.ServerStatus) time.Time { return r.Checked }),
	server.info("last_check_reason", "Always 1; the result of the latest check, as one of the reasons in METRICS.md.", []string{"reason"},
		func(r *director.ServerStatus) []string { return []string{latestReason(r)} }),
	server.timestamp("certificate_expiry_timestamp_seconds", "When the certificate ends that the real server has shown to its check, in seconds since 1970; missing where checks speak no TLS.",
		func(r *director.ServerStatus) time.Time { return r.Expires }),
	server.gauge("warnings", "Warnings about the real server, which do not take it out of use; the status lists them.",
		func(r *director.ServerStatus) float64 { return float64(len(r.Warnings)) }),
	server.counter("transitions_total", "Changes of the real server's state.",
		func(r *director.ServerStatus) uint64 { return r.Transitions }),
	server.timestamp("last_transition_timestamp_seconds", "When the real server entered its state, in seconds since 1970.",
		func(r *director.ServerStatus) time.Time { return r.Since }),
}

// checkDurations returns the only histogram.
func checkDurations(services []item[director.ServiceStatus]) family {
	const name = "shunt_service_check_duration_seconds"
	return family{name, func(w *exposition.Writer) {
		w.Family(name, histogramKind, "How long the checks of the service's real servers took, with those that failed.")
		for _, i := range services {
			h := &i.v.CheckDurations
			w.Histogram(i.labels, h.Count, h.Sum.Seconds(), h.Buckets)
		}
	}}
}

// weightInForce is the weight in units of the configuration, whatever the
// dataplane uses meanwhile.
func weightInForce(r *director.ServerStatus) float64 {
	if r.SlowStart > 0 {
		return float64(r.Current) * r.SlowStart
	}
	return float64(r.Current)
}

func serversByState(sv *director.ServiceStatus, emit sample) {
	n := map[director.State]int{}
	for _, r := range sv.Servers {
		n[r.State]++
	}
	for _, state := range []director.State{director.Up, director.Pending, director.Kept, director.Drain, director.Down, director.Maintenance} {
		emit(float64(n[state]), string(state))
	}
}

// quorumGauge has no sample where no directive asks for a quorum.
func quorumGauge(name, help string, read func(director.QuorumStatus) float64) metric[director.ServiceStatus] {
	return service.metric(gaugeKind, name, help, nil, func(sv *director.ServiceStatus, emit sample) {
		if sv.Quorum != nil {
			emit(read(*sv.Quorum))
		}
	})
}
