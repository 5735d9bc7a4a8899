package director

import (
	"context"
	"maps"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/maintenance"
)

// A loader reads the configuration file and maintenancedir, and puts what it
// finds in force in the director's loop. It works beside the loop.
type loader struct {
	*Director

	// Owned by the holder of reading.
	file   *file
	text   []byte // of current, if that waits for something
	search search
	// Owned by the holder of looking.
	finder    *maintenance.Finder
	finderErr string // the latest logged error of finder
	// Written by the holder of both locks, read by the holder of one.
	current *config.Config // in force

	reading chan struct{} // a lock: full while it is held, and until Start has succeeded
	looking chan struct{} // a lock: full while somebody looks at maintenancedir
}

func newLoader(d *Director) *loader {
	l := &loader{
		Director: d, file: &file{path: d.o.Path}, finder: maintenance.New(),
		reading: make(chan struct{}, 1), looking: make(chan struct{}, 1),
	}
	l.reading <- struct{}{} // Start's
	return l
}

// lock acquires reading: it waits until the director has started and nobody else
// reads the configuration.
func (l *loader) lock(ctx context.Context) error { return l.acquire(ctx, l.reading) }

func (l *loader) unlock() { <-l.reading }

// setCurrent notes which configuration is in force.
func (l *loader) setCurrent(conf *config.Config, text []byte) {
	l.current, l.text = conf, nil
	l.search.reset(time.Now())
	if len(conf.Waiting) > 0 {
		l.text = text
	}
}

// maintenancePeriod is the time between two looks at maintenancedir.
const maintenancePeriod = time.Second

// maintain brings the files in maintenancedir into the loop. It waits for no name
// server: host names that are not known yet count later.
func (l *loader) maintain() {
	if l.acquire(l.ctx, l.looking) != nil {
		return
	}
	defer func() { <-l.looking }()
	files, unknown := l.findMaintenance(l.current)
	if len(unknown) > 0 {
		l.wg.Go(func() { l.finder.Lookup(l.ctx, unknown) })
	}
	if files == nil {
		return
	}
	_ = l.do(l.ctx, func() {
		if !maps.Equal(files, l.cluster.files) {
			l.cluster.maintain(time.Now(), files)
			l.pauseProbes()
		}
	})
}

// lookAtMaintenance returns the files that keep out real servers of conf, nil if
// the folder cannot be read. It waits a short time for host names that it needs.
func (l *loader) lookAtMaintenance(ctx context.Context, conf *config.Config) map[string]string {
	files, unknown := l.findMaintenance(conf)
	if len(unknown) > 0 {
		l.finder.Lookup(ctx, unknown)
		files, _ = l.findMaintenance(conf)
	}
	return files
}

// findMaintenance returns the files that keep out real servers of conf, as far as
// their host names are known, and the addresses whose names are not. It logs once
// that the folder cannot be read: a file system that fails changes nothing.
func (l *loader) findMaintenance(conf *config.Config) (files map[string]string, unknown []netip.Addr) {
	files, unknown, err := l.finder.Find(conf.Global.MaintenanceDir, reals(conf))
	if err == nil {
		l.finderErr = ""
		return files, unknown
	}
	if l.finderErr != err.Error() {
		l.finderErr = err.Error()
		l.log.Warn("maintenancedir cannot be read, nothing changes", "err", err)
	}
	return nil, nil
}

func reals(conf *config.Config) []maintenance.Real {
	var all []maintenance.Real
	for i := range conf.Virtuals {
		for _, r := range conf.Virtuals[i].Reals {
			all = append(all, maintenance.Real{Addr: r.Addr, Name: r.Name})
		}
	}
	return all
}
