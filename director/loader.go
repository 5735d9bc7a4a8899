package director

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"time"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/director/internal/conffile"
	"github.com/shunt-lb/shunt/director/internal/maintenance"
)

// A loader reads the configuration file and maintenancedir, and puts what it
// finds in force in the director's loop. It works beside the loop.
type loader struct {
	*Director

	// Owned by the holder of reading.
	file   *conffile.File
	source *config.Source // of current, if that waits for something
	search conffile.Search
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
		Director: d, file: &conffile.File{Path: d.o.Path}, finder: maintenance.New(),
		reading: make(chan struct{}, 1), looking: make(chan struct{}, 1),
	}
	l.reading <- struct{}{} // Start's
	return l
}

// read reads and parses the file. Errors of the file itself are fit to be
// shown as they are.
func (l *loader) read(ctx context.Context) (*config.Config, *config.Source, error) {
	src, err := l.file.Load()
	if err != nil {
		return nil, nil, err
	}
	conf, err := l.o.Parse(ctx, src)
	return conf, src, err
}

// lock acquires reading: it waits until the director has started and nobody else
// reads the configuration.
func (l *loader) lock(ctx context.Context) error { return l.acquire(ctx, l.reading) }

func (l *loader) unlock() { <-l.reading }

// setCurrent notes which configuration is in force.
func (l *loader) setCurrent(conf *config.Config, src *config.Source) {
	l.current, l.source = conf, nil
	l.search.Reset(time.Now())
	if len(conf.Waiting) > 0 {
		l.source = src
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
			orders{l.cluster}.maintain(time.Now(), files)
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

// every calls look once in each period until the stop begins.
func (l *loader) every(period time.Duration, look func()) {
	tick := time.NewTimer(untilNext(period))
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-tick.C:
			tick.Reset(untilNext(period))
			look()
		}
	}
}

// untilNext returns the time until the next whole multiple of a period: tasks that
// run at the same time wake an idle process only once.
func untilNext(period time.Duration) time.Duration {
	now := time.Now()
	return now.Truncate(period).Add(period).Sub(now)
}

// filePeriod is the time between two looks at the configuration file.
const filePeriod = time.Second

// lookAtFile reloads the configuration file if it has changed and autoreload is
// set, and runs the callback in either case.
func (l *loader) lookAtFile() {
	l.search.CancelIfChanged(l.file.Look)
	select {
	case l.reading <- struct{}{}:
		defer l.unlock()
	default: // there is another look in a second
		return
	}
	changed, err := l.file.Changed()
	if err != nil {
		l.logUnreadable(err)
	}
	if !changed {
		return
	}
	global := l.current.Global // the callback is that of the configuration before
	if global.AutoReload {
		l.log.Info("configuration file has changed on disk, reading it", "file", l.file.Path)
		_ = l.reload(l.ctx, true) // reload logs it and keeps it for the status
	} else {
		l.log.Info("configuration file has changed on disk, ignored: autoreload=no", "file", l.file.Path)
	}
	if global.Callback != "" {
		l.hooks.Run("callback", global.Callback, l.file.Path)
	}
}

func (l *loader) logUnreadable(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		l.log.Warn("configuration file is gone, the configuration stays in force", "file", l.file.Path)
		return
	}
	l.log.Warn("configuration file cannot be read, the configuration stays in force", "file", l.file.Path, "err", err)
}
