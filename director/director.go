// Package director keeps virtual services forwarding to the real servers that
// are healthy: check results in, wanted virtual services out.
package director

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/config/changes"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/applier"
	"github.com/shunt-lb/shunt/director/internal/hooks"
	"github.com/shunt-lb/shunt/director/internal/prober"
	"github.com/shunt-lb/shunt/director/internal/statefile"
)

// ErrStopped is the error of a director that is not running.
var ErrStopped = applier.ErrStopped

// Options are what a director works with. Path, Parse and Dataplane are
// needed.
type Options struct {
	// Path is the configuration file, read at Start, at Reload and whenever
	// it changes.
	Path string
	// Parse turns the file's text, with those that it includes, into a
	// configuration that can be put in force as it is, or returns an error. It has
	// no other effect: its result need not come into force. It is called from one
	// goroutine at a time and may be slow.
	Parse func(ctx context.Context, src *config.Source) (*config.Config, error)
	// Again is Parse for the text of the configuration in force, to look again for
	// the names and files it waits for. It is never called at the same time as
	// Parse. May be nil.
	Again func(ctx context.Context, src *config.Source, inForce *config.Config) (*config.Config, error)
	// InForce is called with the configuration that was parsed last when it is put
	// in force, before its services are applied. It must not block, neither on
	// files nor on netlink. May be nil.
	InForce func(*config.Config)
	// Follow is called with the same after that, outside the loop. No other
	// configuration is read before it returns. May be nil.
	Follow func(*config.Config)
	// Ready is called with the reason why the director is not ready whenever that
	// changes, and with "" when it is: when the dataplane has every service as
	// wanted. Before the first call it is not ready. It is called in the loop and
	// must not block. May be nil.
	Ready func(unready string)
	// Dataplane forwards. The director does not close it.
	Dataplane dataplane.Dataplane
	// Forwarding is the dataplane's part of the status.
	Forwarding DataplaneStatus
	// Mail sends an alert; it must not block. May be nil.
	Mail func(Mail)
	// Deliver posts an event to a webhook, in several attempts if need be; after
	// last is closed in one. It ends soon after ctx. It is called from many
	// goroutines at once, one for each host. May be nil.
	Deliver func(ctx context.Context, last <-chan struct{}, p Post) error
	// Checks finds a check by name, nil for checks.For.
	Checks func(name string) (checks.Func, bool)
	// MaxChecks bounds the checks under way at once; 0 derives the bound from
	// the limit of open files.
	MaxChecks int
	// State is the path of the file that keeps orders of operators over restarts, ""
	// for none.
	State string
	// Log may be nil.
	Log *slog.Logger
}

// A Director keeps virtual services forwarding to the real servers that are
// healthy. One goroutine owns its state; all methods may be called from any
// goroutine.
type Director struct {
	o   Options
	log *slog.Logger

	// Owned by the loop.
	cluster *cluster
	conf    ConfigStatus
	changes changes.Changes // by the latest configuration that was put in force
	started time.Time
	unready string        // the latest argument of Ready
	applies chan struct{} // closed and replaced with each answer of the dataplane
	saves   chan struct{} // closed and replaced with each attempt to save orders

	events chan func()
	// suspicions come from the dataplane.
	suspicions chan suspicion
	prober     *prober.Prober
	taken      []prober.Outcome // the latest
	applier    *applier.Applier
	hooks      *hooks.Hooks
	state      *statefile.Writer // nil without a state file
	record     *Events

	loader *loader

	staying atomic.Pointer[[]*service] // left in the dataplane by the stop

	ctx      context.Context // done when Stop begins
	cancel   context.CancelFunc
	wg       sync.WaitGroup // watchers
	loopDone chan struct{}
	quit     chan struct{}
}

// New returns a director that does nothing before Start.
func New(o Options) *Director {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxChecks <= 0 {
		o.MaxChecks = maxChecks()
	}
	d := &Director{
		o: o, log: o.Log, events: make(chan func()), suspicions: make(chan suspicion, 64),
		loopDone: make(chan struct{}), quit: make(chan struct{}), applies: make(chan struct{}), saves: make(chan struct{}),
		unready: "no configuration is in force yet",
	}
	d.applier = applier.New(o.Dataplane, d.applied, o.Log)
	d.applier.Repaired = func(ctx context.Context, id dataplane.ServiceID, changes string) {
		_ = d.do(ctx, func() { d.cluster.repaired(time.Now(), id, changes) })
	}
	d.hooks = hooks.New(o.Log)
	d.record = newEvents(time.Now())
	d.prober = prober.New(o.Checks, o.MaxChecks, o.Log)
	d.cluster = newCluster(executor{d.applier, d.hooks, o.Mail, o.Deliver, d.record, o.Log, func() *statefile.Writer { return d.state }}, o.Log)
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.loader = newLoader(d)
	if o, ok := o.Dataplane.(dataplane.Observer); ok {
		o.Observe(d.suspect)
	}
	return d
}

// maxChecks leaves three quarters of the open files to everything else.
func maxChecks() int {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 256
	}
	return int(min(max(r.Cur/4, 64), 16384))
}

// Start reads the configuration, puts it in force and begins checking. An
// error leaves nothing running and the dataplane untouched. ctx bounds the
// start alone.
func (d *Director) Start(ctx context.Context) error {
	conf, src, err := d.loader.read(ctx)
	if err != nil {
		return err
	}
	if d.o.InForce != nil {
		d.o.InForce(conf) // there is no loop yet, and nothing before it to be disturbed
	}
	found, err := d.find(ctx, conf)
	if err != nil {
		return fmt.Errorf("read the dataplane: %w", err)
	}
	files := d.loader.lookAtMaintenance(ctx, conf)
	if err := ctx.Err(); err != nil {
		return err
	}
	restored := storedOrders(d.o.State, conf, d.log)
	d.applier.Start()
	d.loader.setPaths(ctx, conf, false)
	d.loader.setCurrent(conf, src)
	d.started = time.Now()
	orders{d.cluster}.restore(restored)
	note(d.cluster, d.started, Event{Event: "started", Text: "Started with " + conf.Path})
	d.activate(conf, found, files) // before the loop, which answers the callers that wait by now
	keepOrders(d)
	go d.loop()
	d.follow(conf)
	d.wg.Go(func() { d.loader.every(filePeriod, d.loader.lookAtFile) })
	d.wg.Go(func() { d.loader.every(maintenancePeriod, d.loader.maintain) })
	d.wg.Go(func() { d.loader.every(searchPeriod, d.loader.seek) })
	d.wg.Go(func() { d.loader.every(pathsPeriod, d.loader.keepPaths) })
	d.loader.unlock()
	return nil
}

// find returns those of conf's services that are being served before the
// director has asked for any.
func (d *Director) find(ctx context.Context, conf *config.Config) ([]dataplane.VirtualService, error) {
	f, ok := d.o.Dataplane.(dataplane.Finder)
	if !ok {
		return nil, nil
	}
	var ids []dataplane.ServiceID
	for i := range conf.Virtuals {
		ids = append(ids, conf.Virtuals[i].ID)
	}
	return f.Find(ctx, ids)
}

// acquire acquires a lock that is a channel, before ctx is done and the stop
// begins.
func (d *Director) acquire(ctx context.Context, lock chan<- struct{}) error {
	select {
	case lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.ctx.Done():
		return ErrStopped
	}
}

// loop owns the state of the director until Stop.
func (d *Director) loop() {
	defer close(d.loopDone)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	begin := time.NewTimer(time.Hour)
	defer begin.Stop()
	for {
		d.reportReady()
		if next, waits := d.cluster.nextDue(); waits {
			begin.Reset(time.Until(next))
		}
		select {
		case <-d.quit:
			return
		case f := <-d.events:
			f()
		case <-d.prober.Ready():
			d.handleResults()
		case about := <-d.suspicions:
			d.hasten(about)
		case now := <-second.C:
			d.cluster.tick(now)
		case now := <-begin.C:
			d.cluster.beginDue(now)
		}
	}
}

// do runs f in the loop and waits for it. It returns an error if ctx is done
// before f begins, or the loop has ended.
func (d *Director) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case d.events <- func() { f(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.loopDone:
		return ErrStopped
	}
}

// activate puts a configuration in force. files keep real servers out, nil for
// those known before. It runs in the loop, or before it.
func (d *Director) activate(conf *config.Config, found []dataplane.VirtualService, files map[string]string) {
	now := time.Now()
	if files != nil {
		d.cluster.files = files
	}
	d.applier.ReaddQuiescent(conf.Global.ReaddQuiescent)
	d.cluster.configure(now, conf, found)
	d.conf.Path, d.conf.Loaded, d.conf.Warnings, d.conf.Waiting = conf.Path, now, texts(conf.Warnings), texts(conf.Waiting)
	d.prober.SetLimit(cmp.Or(conf.Global.CheckConcurrency, d.o.MaxChecks))
	d.syncProbes()
	logWaiting(d.log, conf.Waiting)
	d.reportReady() // before Reload returns
}

// follow calls Options.Follow.
func (d *Director) follow(conf *config.Config) {
	if d.o.Follow != nil {
		d.prober.WhileHostChanges(func() { d.o.Follow(conf) })
	}
}

// maxWaitingLogged is how much of what a configuration waits for is logged.
const maxWaitingLogged = 20

// logWaiting logs what a configuration waits for.
func logWaiting(log *slog.Logger, ps config.Problems) {
	for _, p := range ps[:min(len(ps), maxWaitingLogged)] {
		log.Warn("configuration waits for a name or a file that is missing", "waiting", p.String())
	}
	if more := len(ps) - maxWaitingLogged; more > 0 {
		log.Warn("configuration waits for more, see `shunt status`", "more", more)
	}
}

func texts(ps config.Problems) []string {
	var texts []string
	for _, p := range ps {
		texts = append(texts, p.String())
	}
	return texts
}
