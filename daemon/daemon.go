// Package daemon runs shunt: it wires configuration, director, dataplanes, sorry
// server, alerts, logs and admin, and stops them in reverse order.
package daemon

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/token"
	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/alert"
	"github.com/shunt-lb/shunt/internal/files"
	"github.com/shunt-lb/shunt/internal/logs"
	"github.com/shunt-lb/shunt/sorry"
)

// Options are those of the command line.
type Options struct {
	// Config is the path of the configuration file, and Asked the name on the
	// command line, if that differs.
	Config, Asked string
	// Strict refuses what ldirectord refuses.
	Strict bool
	// Dataplane is one of DataplaneChoices; "" is auto.
	Dataplane string
	// Admin is the address of metrics, status page and API; "" for none.
	Admin string
	// AdminWrite is a file of tokens by which the admin address takes orders; "" for
	// none. The address has to be a loopback one.
	AdminWrite string
	// Omit says what scrapes of the metrics leave out.
	Omit admin.Omit
	// State is the path of the file that keeps orders of operators over restarts, ""
	// for none.
	State string
	// Control are the paths of the control sockets. ControlGroup is a group, by
	// name or number, that may use them, in addition to the user that shunt runs
	// as; "" for none.
	Control      []string
	ControlGroup string
	// AdminOptional: an Admin address that cannot be opened is a warning.
	AdminOptional bool
	// PIDFile is the path of a file with the id of this process, "" for none. It is
	// there when Start has returned, and gone when Stop has.
	PIDFile string
	// DrainLimit is the longest that a stop waits for connections, whatever the
	// configuration says; 0 is no limit.
	DrainLimit time.Duration
	// LogFile is the target of the log where the configuration has none, as its
	// logfile would be; "" is standard error.
	LogFile string
	// LogFormat is text or json.
	LogFormat string
	LogLevel  slog.Level
	// LogProblems has Start log the errors of a configuration that it returns.
	LogProblems bool
	// Version and Commit are those of this program.
	Version, Commit string
}

// A Daemon is a director with all other parts of shunt. Start it once and Stop
// it once; Reload and Reopen may be called from any goroutine in between.
type Daemon struct {
	o        Options
	sink     *logs.Sink
	log      *slog.Logger
	sorry    *sorry.Server
	parsed   parsed
	current  atomic.Pointer[config.Config] // in force
	sites    map[string]bool               // services of the sorry server
	plane    dataplanes
	host     *host
	director *director.Director
	mails    *alert.Sender
	notifier *notifier
	children *children
	loaded   sync.Once // the first ready
	started  bool      // a configuration has been in force
	execute  []string  // other configurations to run, of the first one in force
	admin    string
	watchers watchers

	mu   sync.Mutex
	undo []step
}

// New returns a daemon that does nothing yet.
func New(o Options) *Daemon { return &Daemon{o: o, sites: map[string]bool{}} }

func (d *Daemon) openLog(context.Context) error {
	about := []any{"version", d.o.Version, "config", d.o.Config}
	sink, err := logs.Open(logs.Options{Format: d.o.LogFormat, Level: d.o.LogLevel, Begin: about})
	if err != nil {
		return err
	}
	d.sink, d.log = sink, sink.Logger()
	d.onStop("log", 1800*time.Millisecond, func(context.Context) error {
		d.log.Info("shunt has stopped")
		return sink.Close()
	})
	d.log.Info("shunt starts", about...)
	if passed := PassedOver(cmp.Or(d.o.Asked, d.o.Config), d.o.Config); passed != "" {
		d.log.Warn("a configuration of that name in the working directory is not the one taken; write ./ before the name for it",
			"taken", d.o.Config, "passed_over", passed)
	}
	return nil
}

func (d *Daemon) openSorry(context.Context) error {
	d.sorry = sorry.New(sorry.Options{Log: d.log})
	d.onStop("sorry server", 500*time.Millisecond, func(context.Context) error { return d.sorry.Close() })
	return nil
}

func (d *Daemon) openDirector(context.Context) error {
	boundGarbage()
	d.host = &host{log: d.log, owner: d.o.Config, plane: &d.plane}
	plane, err := openDataplanes(d.o.Dataplane, openOptions{log: d.log, sorry: d.sorry, renewed: d.host.renewed})
	if err != nil {
		return err
	}
	d.plane = plane
	d.onStop("dataplane", 700*time.Millisecond, func(context.Context) error { return plane.Close() })
	d.log.Info("dataplane chosen", "dataplane", plane.status.Name, "reason", plane.why)
	d.children = newChildren(d.log)
	d.mails = alert.New(d.log)
	d.onStop("alert mails", lastMails, d.closeMails)
	d.notifier = newNotifier(func(state string) { tell(d.log, state) }, d.well)
	d.director = director.New(director.Options{
		Path: d.o.Config, Parse: d.parse, Again: d.again, InForce: d.inForce, Follow: d.follow, Ready: d.ready,
		Dataplane: plane, Forwarding: plane.status, State: d.o.State, Log: d.log,
		Mail: func(m director.Mail) { d.mails.Send(alertMail(m)) }, Deliver: deliver,
	})
	return nil
}

func alertMail(m director.Mail) alert.Mail {
	return alert.Mail{
		To: m.To, From: m.From, Relay: m.Relay, Subject: m.Subject,
		Status: m.Status, Service: m.ServiceName, Comment: m.Comment, Reason: string(m.Reason), Held: m.Held,
	}
}

// maxCA is how large a file of authorities may be.
const maxCA = 16 << 20

// deliver posts an event to its webhook.
func deliver(ctx context.Context, last <-chan struct{}, p director.Post) error {
	var authorities *x509.CertPool
	if p.CA != "" {
		text, err := files.Read(p.CA, maxCA)
		if err != nil {
			return fmt.Errorf("webhookca: %w", err)
		}
		if authorities = x509.NewCertPool(); !authorities.AppendCertsFromPEM(text) {
			return fmt.Errorf("webhookca: %s has no certificate in the form PEM", p.CA)
		}
	}
	body, err := json.Marshal(p.Event)
	if err != nil {
		return err
	}
	return alert.Post(ctx, last, p.URL, authorities, body)
}

// openAdmin opens the admin address and the control sockets. It runs before the
// director starts: a second shunt for the same file cannot open the control socket
// and changes nothing.
func (d *Daemon) openAdmin(ctx context.Context) error {
	group, err := groupID(d.o.ControlGroup)
	if err != nil {
		return err
	}
	var tokens *token.Tokens
	if d.o.AdminWrite != "" && d.o.Admin != "" {
		tokens, err = token.Read(d.o.AdminWrite, func(err error) {
			d.log.Warn("nobody has a token until the file is mended", "err", err)
		})
		if err != nil {
			return err
		}
	}
	s := admin.New(admin.Options{
		Omit: d.o.Omit, Tokens: tokens, Source: d, Log: d.log, Version: d.o.Version, Commit: d.o.Commit, Sorry: d.sorryStats,
		Orders: director.OperatorOf(d.director), Events: director.EventsOf(d.director), Connections: d.plane.Connections, Config: d.o.Config, ControlGroup: group,
	})
	d.onStop("admin", 1200*time.Millisecond, func(context.Context) error { return s.Close() })
	for _, path := range d.o.Control {
		if err := listenControl(ctx, s, path); err != nil {
			return err
		}
	}
	if d.o.Admin == "" {
		return nil
	}
	addr, err := s.ListenTCP(ctx, d.o.Admin)
	if err != nil && d.o.AdminOptional {
		d.log.Warn("there are no metrics and no status page", "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	d.admin = addr.String()
	d.log.Info("admin address", "addr", d.admin)
	if reachable(addr) {
		d.log.Warn("other hosts can reach the admin address, and read all of status and metrics: keep them away with a firewall, or listen on 127.0.0.1", "addr", d.admin)
	}
	return nil
}

// reachable reports whether other hosts may reach what listens on addr.
func reachable(addr net.Addr) bool {
	a, ok := addr.(*net.TCPAddr)
	return ok && !a.IP.IsLoopback()
}

func listenControl(ctx context.Context, s *admin.Server, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return s.ListenControl(ctx, path)
}

// groupID returns the number of a group of this host, 0 for no group.
func groupID(group string) (int, error) {
	if group == "" {
		return 0, nil
	}
	id := group
	if g, err := user.LookupGroup(group); err == nil {
		id = g.Gid
	}
	n, err := strconv.Atoi(id)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("control group %s: this host has no such group; make it with `groupadd %s`, or name another", group, group)
	}
	return n, nil
}

// Admin returns the admin address, "" for none.
func (d *Daemon) Admin() string { return d.admin }

func (d *Daemon) sorryStats() map[string]admin.SorryStats {
	stats := map[string]admin.SorryStats{}
	for service, s := range d.sorry.Stats() {
		stats[service] = admin.SorryStats(s)
	}
	return stats
}

// Status returns the director's status, with the load of the proxy; see
// director.Director.Status.
func (d *Daemon) Status(ctx context.Context) (director.Status, error) {
	s, err := d.director.Status(ctx)
	return withLoad(s, d.plane.proxy.Load()), err
}

// History returns what the latest checks have found; see
// director.Director.History.
func (d *Daemon) History(ctx context.Context, service, real string) ([]director.ServerHistory, error) {
	return d.director.History(ctx, service, real)
}

// withLoad adds the load of the proxy to a status. A stuck worker makes it not
// ready: its clients are not served.
func withLoad(s director.Status, load dataplane.Load) director.Status {
	s.Dataplane.Load = &load
	if stuck := load.Stuck(); stuck != nil && s.Ready {
		s.Ready, s.Unready = false, stuck.Error()
	}
	return s
}

// Reload reloads the configuration, here and in every shunt that execute has
// started; see director.Director.Reload.
func (d *Daemon) Reload(ctx context.Context) error {
	done := d.notifier.reloading()
	defer done()
	d.children.reload()
	return d.director.Reload(ctx)
}

// Reopen opens the log file again after it was moved.
func (d *Daemon) Reopen() error { return d.sink.Reopen() }
