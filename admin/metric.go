package admin

import (
	"time"

	"github.com/shunt-lb/shunt/admin/internal/exposition"
)

// The kinds of metrics.
const (
	gaugeKind     = "gauge"
	counterKind   = "counter"
	histogramKind = "histogram"
)

// A metric is one family of samples read from a T: the status, a service of
// it, a real server.
type metric[T any] struct {
	name, kind, help string
	labels           []string // beyond those of a T
	read             func(v *T, emit sample)
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

func (sc scope[T]) metric(kind, name, help string, labels []string, read func(*T, sample)) metric[T] {
	return metric[T]{name: "shunt_" + sc.prefix + name, kind: kind, help: help, labels: labels, read: read}
}

// labelled returns v with the values of the labels of its scope.
func (sc scope[T]) labelled(v *T, values ...string) item[T] {
	var all []string
	for i, name := range sc.labels {
		all = append(all, exposition.Label(name, values[i]))
	}
	return item[T]{exposition.Join(all...), v}
}

// An item is a T with its labels, as they are written.
type item[T any] struct {
	labels string
	v      *T
}

func (sc scope[T]) gauge(name, help string, read func(*T) float64) metric[T] {
	return sc.metric(gaugeKind, name, help, nil, func(v *T, emit sample) { emit(read(v)) })
}

func (sc scope[T]) counter(name, help string, read func(*T) uint64) metric[T] {
	return sc.metric(counterKind, name, help, nil, func(v *T, emit sample) { emit(float64(read(v))) })
}

// timestamp has no sample while the time is zero: 1970 would set off alerts.
func (sc scope[T]) timestamp(name, help string, read func(*T) time.Time) metric[T] {
	return sc.metric(gaugeKind, name, help, nil, func(v *T, emit sample) {
		if t := read(v); !t.IsZero() {
			emit(float64(t.UnixNano()) / 1e9)
		}
	})
}

// info is always 1; its labels have the information.
func (sc scope[T]) info(name, help string, labels []string, read func(*T) []string) metric[T] {
	return sc.metric(gaugeKind, name, help, labels, func(v *T, emit sample) { emit(1, read(v)...) })
}

// A family writes itself.
type family struct {
	name  string
	write func(*exposition.Writer)
}

// families returns those of items, for ms.
func families[T any](ms []metric[T], items ...item[T]) (all []family) {
	for _, m := range ms {
		all = append(all, family{m.name, func(w *exposition.Writer) { m.write(w, items) }})
	}
	return all
}

func (m *metric[T]) write(w *exposition.Writer, items []item[T]) {
	w.Family(m.name, m.kind, m.help)
	var labels string // of the present item
	emit := func(value float64, more ...string) {
		if len(more) == 0 {
			w.Sample(labels, value)
			return
		}
		all := []string{labels}
		for i, name := range m.labels {
			all = append(all, exposition.Label(name, more[i]))
		}
		w.Sample(exposition.Join(all...), value)
	}
	for _, i := range items {
		labels = i.labels
		m.read(i.v, emit)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
