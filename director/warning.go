package director

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/shunt-lb/shunt/dataplane"
)

// A Warning is something wrong with a real server, or with a virtual service as a
// whole, that takes no real server out of use.
type Warning struct {
	Service dataplane.ServiceID
	Server  netip.AddrPort // as configured; the zero value is the whole service
	Text    string
}

// Warn sets the warnings that checks do not give. They replace those of the call
// before. It logs warnings that begin and that end.
func (d *Director) Warn(ctx context.Context, all []Warning) error {
	return d.do(ctx, func() { warn(d.cluster.services, all, d.log) })
}

// warn gives each service and real server its warnings.
func warn(services []*service, all []Warning, log *slog.Logger) {
	type whom struct {
		service dataplane.ServiceID
		server  netip.AddrPort
	}
	texts := map[whom][]string{}
	for _, w := range all {
		to := whom{w.Service, w.Server}
		texts[to] = append(texts[to], w.Text)
	}
	for _, sv := range services {
		now := texts[whom{service: sv.conf.ID}]
		logWarnings(sv.log(log), sv.warnings.told, now)
		sv.warnings.told = now
		for _, s := range sv.servers {
			now := texts[whom{sv.conf.ID, s.conf.Addr}]
			if told := s.seldom().warnings.told; len(told) > 0 || len(now) > 0 {
				logWarnings(s.log(log, sv), told, now)
				s.own().warnings.told = now
			}
		}
	}
}

// The warnings about a real server or a service, by who knows them.
type warnings struct {
	told  []string // by Director.Warn
	check string   // by the latest check that succeeded, "" for nothing
}

// of returns all warnings, and those of checks only if they are made in a way that
// finds any.
func (w *warnings) of(checked bool) []string {
	if !checked || w.check == "" {
		return w.told
	}
	return append([]string{w.check}, w.told...)
}

// list returns the texts that are not empty.
func list(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// logWarnings logs the warnings that begin and those that end.
func logWarnings(log *slog.Logger, before, now []string) {
	for _, text := range now {
		if !slices.Contains(before, text) {
			log.Warn("something is wrong that takes no real server out of use", "warning", text)
		}
	}
	for _, text := range before {
		if !slices.Contains(now, text) {
			log.Info("a warning is over", "warning", text)
		}
	}
}

func (sv *service) log(log *slog.Logger) *slog.Logger {
	return log.With("service", sv.conf.ID.String())
}

func (s *server) log(log *slog.Logger, sv *service) *slog.Logger {
	return sv.log(log).With("real", s.conf.Addr.String())
}
