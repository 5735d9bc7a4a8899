package admin

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A metric is one family of samples read from a T: the status, a service of
// it, a real server.
type metric[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(v *T, emit sample)
}

// A sample is one value with the values of the labels that the family has
// beyond those of its T.
type sample func(value float64, labels ...string)

// A scope is what the metrics of one T have in common: the first part of
// their names and their first labels.
type scope[T any] struct {
	prefix string
	labels []string
}

func (sc scope[T]) metric(kind prometheus.ValueType, name, help string, labels []string, read func(*T, sample)) metric[T] {
	all := append(append([]string{}, sc.labels...), labels...)
	return metric[T]{
		desc: prometheus.NewDesc("shunt_"+sc.prefix+name, help, all, nil),
		kind: kind,
		read: read,
	}
}

func (sc scope[T]) gauge(name, help string, read func(*T) float64) metric[T] {
	return sc.metric(prometheus.GaugeValue, name, help, nil, func(v *T, emit sample) { emit(read(v)) })
}

func (sc scope[T]) counter(name, help string, read func(*T) uint64) metric[T] {
	return sc.metric(prometheus.CounterValue, name, help, nil, func(v *T, emit sample) { emit(float64(read(v))) })
}

// timestamp has no sample while the time is zero: 1970 would set off alerts.
func (sc scope[T]) timestamp(name, help string, read func(*T) time.Time) metric[T] {
	return sc.metric(prometheus.GaugeValue, name, help, nil, func(v *T, emit sample) {
		if t := read(v); !t.IsZero() {
			emit(float64(t.UnixNano()) / 1e9)
		}
	})
}

// info is always 1; its labels have the information.
func (sc scope[T]) info(name, help string, labels []string, read func(*T) []string) metric[T] {
	return sc.metric(prometheus.GaugeValue, name, help, labels, func(v *T, emit sample) { emit(1, read(v)...) })
}

// send reads v and sends its samples to ch, with the label values of v first.
func (m metric[T]) send(ch chan<- prometheus.Metric, v *T, labels ...string) {
	m.read(v, func(value float64, more ...string) {
		all := append(append([]string{}, labels...), more...)
		for i := range all {
			// Names come from files in any encoding, and one bad label would
			// cost the whole scrape.
			all[i] = strings.ToValidUTF8(all[i], "\uFFFD")
		}
		sent, err := prometheus.NewConstMetric(m.desc, m.kind, value, all...)
		if err != nil {
			sent = prometheus.NewInvalidMetric(m.desc, err)
		}
		ch <- sent
	})
}

func describe[T any](ch chan<- *prometheus.Desc, ms []metric[T]) {
	for _, m := range ms {
		ch <- m.desc
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
