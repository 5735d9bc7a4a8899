package director

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/checks"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
)

// ErrStopped is what a director returns that is not running.
var ErrStopped = errors.New("the director is not running")

// Options are what a director works with. Path, Parse and Dataplane are
// needed.
type Options struct {
	// Path is the configuration file, read at Start, at Reload and whenever
	// it changes.
	Path string
	// Parse turns the file's text into a configuration that can be put in
	// force as it is, or into an error. It has no effect: what it returns need
	// not come into force. It is called from one goroutine at a time and may
	// take its time.
	Parse func(ctx context.Context, text []byte) (*config.Config, error)
	// Again is Parse for the text of the configuration in force, to look for what
	// that waits for. Nobody calls both at a time. May be nil.
	Again func(ctx context.Context, text []byte, inForce *config.Config) (*config.Config, error)
	// InForce is told the configuration that was parsed last when it is put in
	// force, before its services are. It must not wait for anything, files and
	// netlink included. May be nil.
	InForce func(*config.Config)
	// Follow is told the same after that, beside the loop. Until it returns no
	// other configuration is read. May be nil.
	Follow func(*config.Config)
	// Ready is told why the director is not ready whenever that changes, and ""
	// when it is: when the dataplane has every service as it is wanted. Before
	// the first call it is not. It is called in the loop and must not block. May
	// be nil.
	Ready func(unready string)
	// Dataplane forwards. The director does not close it.
	Dataplane dataplane.Dataplane
	// Forwarding is what status says about the dataplane.
	Forwarding DataplaneStatus
	// Mail sends an alert; it must not block. May be nil.
	Mail func(Mail)
	// Checks finds a check by name, nil for checks.For.
	Checks func(name string) (checks.Func, bool)
	// MaxChecks bounds the checks under way at once; 0 derives the bound from
	// the limit of open files.
	MaxChecks int
	// Log gets what happens; nil for nothing.
	Log *slog.Logger
}

// A Director keeps virtual services forwarding to the real servers that are
// well. One goroutine owns its state; all methods may be called from any
// goroutine.
type Director struct {
	o   Options
	log *slog.Logger

	// Owned by the loop.
	cluster *cluster
	conf    ConfigStatus
	started time.Time
	unready string        // what Ready was told last
	landed  chan struct{} // closed when the dataplane has answered again

	events  chan func()
	results chan func() // of checks
	prober  *prober
	applier *applier
	hooks   *hooks

	staying atomic.Pointer[[]*service] // what the stop has left in the dataplane

	// Owned by whoever holds reading.
	file   *file
	text   []byte // of current, while that waits for something
	search search
	// Owned by whoever holds keeping.
	kept *maintainer
	// Written by who holds both, read by who holds one.
	current *config.Config // in force

	reading  chan struct{}   // full until Start has succeeded and while a lock is held
	keeping  chan struct{}   // full while somebody looks at maintenancedir
	ctx      context.Context // over when Stop begins
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
		o: o, log: o.Log, events: make(chan func()), results: make(chan func()), reading: make(chan struct{}, 1), keeping: make(chan struct{}, 1),
		loopDone: make(chan struct{}), quit: make(chan struct{}), landed: make(chan struct{}),
		unready: "no configuration is in force yet",
	}
	d.applier = newApplier(o.Dataplane, o.Log)
	d.applier.report = d.applied
	d.hooks = newHooks(o.Log)
	d.prober = newProber(o.MaxChecks, o.Log)
	d.prober.report = d.checked
	if o.Checks != nil {
		d.prober.find = o.Checks
	}
	d.cluster = newCluster(d, o.Log)
	d.file, d.kept = &file{path: o.Path}, newMaintainer()
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.reading <- struct{}{} // Start's
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
	conf, text, err := d.read(ctx)
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
	files := d.lookAtMaintenance(ctx, conf)
	if err := ctx.Err(); err != nil {
		return err
	}
	d.applier.start()
	d.hold(conf, text)
	d.started = time.Now()
	d.enforce(conf, found, files) // before the loop begins, which answers who has asked meanwhile
	go d.loop()
	d.follow(conf)
	d.wg.Go(func() { d.every(filePeriod, d.lookAtFile) })
	d.wg.Go(func() { d.every(maintenancePeriod, d.maintain) })
	d.wg.Go(func() { d.every(searchPeriod, d.seek) })
	d.unlock()
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

// hold notes which configuration is in force.
func (d *Director) hold(conf *config.Config, text []byte) {
	d.current, d.text = conf, nil
	d.search.anew(time.Now())
	if len(conf.Waiting) > 0 {
		d.text = text
	}
}

// lock waits until the director has started and nobody else reads the
// configuration.
func (d *Director) lock(ctx context.Context) error { return d.take(ctx, d.reading) }

// take waits until it is let in.
func (d *Director) take(ctx context.Context, in chan<- struct{}) error {
	select {
	case in <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.ctx.Done():
		return ErrStopped
	}
}

func (d *Director) unlock() { <-d.reading }

// loop owns the state until Stop.
func (d *Director) loop() {
	defer close(d.loopDone)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	begin := time.NewTimer(time.Hour)
	defer begin.Stop()
	for {
		d.tellReady()
		if next, waits := d.cluster.nextDue(); waits {
			begin.Reset(time.Until(next))
		}
		select {
		case <-d.quit:
			return
		case f := <-d.events:
			f()
		case f := <-d.results:
			d.takeResults(f)
		case now := <-second.C:
			d.cluster.tick(now)
		case now := <-begin.C:
			d.cluster.beginDue(now)
		}
	}
}

// do runs f in the loop and waits for it. It returns an error if the loop
// could not be reached.
func (d *Director) do(ctx context.Context, f func()) error { return d.give(ctx, d.events, f) }

// give is do by way of another channel.
func (d *Director) give(ctx context.Context, to chan<- func(), f func()) error {
	done := make(chan struct{})
	select {
	case to <- func() { f(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.loopDone:
		return ErrStopped
	}
}

// enforce puts a configuration in force; files keep real servers out, nil for
// those known before. It runs in the loop, or before it.
func (d *Director) enforce(conf *config.Config, found []dataplane.VirtualService, files map[string]string) {
	now := time.Now()
	if files != nil {
		d.cluster.files = files
	}
	d.applier.quiescent(conf.Global.ReaddQuiescent)
	d.cluster.configure(now, conf, found)
	d.conf.Path, d.conf.Loaded, d.conf.Warnings, d.conf.Waiting = conf.Path, now, texts(conf.Warnings), texts(conf.Waiting)
	d.syncProbes()
	d.logWaiting(conf.Waiting)
	d.tellReady() // who has asked for a reload may rely on it
}

// follow has done what follows from a configuration outside of the director.
func (d *Director) follow(conf *config.Config) {
	if d.o.Follow != nil {
		d.o.Follow(conf)
	}
}

// maxWaitingLogged is how much of what a configuration waits for is logged.
const maxWaitingLogged = 20

func (d *Director) logWaiting(ps config.Problems) {
	for _, p := range ps[:min(len(ps), maxWaitingLogged)] {
		d.log.Warn("configuration waits for what is not there", "waiting", p.String())
	}
	if more := len(ps) - maxWaitingLogged; more > 0 {
		d.log.Warn("configuration waits for more, see `shunt status`", "more", more)
	}
}

func texts(ps config.Problems) []string {
	var texts []string
	for _, p := range ps {
		texts = append(texts, p.String())
	}
	return texts
}
