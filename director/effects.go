package director

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/shunt-lb/shunt/config"
	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/director/internal/applier"
	"github.com/shunt-lb/shunt/director/internal/hooks"
	"github.com/shunt-lb/shunt/director/internal/statefile"
)

// An effects carries out the decisions of a cluster. No call may block.
type effects interface {
	apply(dataplane.VirtualService)
	remove(dataplane.ServiceID)
	// removeFound removes a service that a predecessor has left.
	removeFound(dataplane.VirtualService)
	fallbackCommand(v *config.Virtual, word string)
	// run runs a command line by the shell, after those before it with the same
	// key, with more variables in its environment.
	run(key, line string, env []string)
	mail(Mail)
	post(Post)
	monitor(path, line string)
	// save has the state file hold the orders of a version.
	save(version uint64, s statefile.State)
	// record keeps an event for those who ask, and returns its number.
	record(Event) uint64
}

// An executor carries out effects by the parts of a director.
type executor struct {
	applier *applier.Applier
	hooks   *hooks.Hooks
	send    func(Mail) // may be nil
	// deliver posts an event; it may be nil.
	deliver func(ctx context.Context, last <-chan struct{}, p Post) error
	events  *Events
	log     *slog.Logger
	state   func() *statefile.Writer // nil without a state file
}

var _ effects = executor{}

func (e executor) apply(v dataplane.VirtualService)       { e.applier.Apply(v) }
func (e executor) remove(id dataplane.ServiceID)          { e.applier.Remove(id) }
func (e executor) removeFound(v dataplane.VirtualService) { e.applier.RemoveFound(v) }
func (e executor) record(about Event) uint64              { return e.events.Add(about) }
func (e executor) monitor(path, line string)              { e.hooks.Append(path, line) }

func (e executor) save(version uint64, s statefile.State) {
	if w := e.state(); w != nil {
		w.Save(version, s)
	}
}

func (e executor) mail(m Mail) {
	if e.send != nil {
		e.send(m)
	}
}

func (e executor) fallbackCommand(v *config.Virtual, word string) {
	e.hooks.Run("fallbackcommand "+v.ID.String(), fallbackArgs(v, word)...)
}

func (e executor) run(key, line string, env []string) {
	e.hooks.RunWith(key, env, "/bin/sh", "-c", line)
}

// post posts an event after those before it to the same host.
func (e executor) post(p Post) {
	if e.deliver == nil {
		return
	}
	e.hooks.Enqueue("webhook "+p.Name(), func(ctx context.Context) {
		if err := e.deliver(ctx, e.hooks.Closing(), p); err != nil {
			e.log.Error("event was not delivered", "event", p.Event.Event, "service", p.Event.Service, "real", p.Event.Real, "err", err)
			return
		}
		e.log.Info("event delivered", "event", p.Event.Event, "service", p.Event.Service, "real", p.Event.Real, "webhook", p.Name())
	})
}

// fallbackArgs returns the command that runs a service's fallbackcommand: by the
// shell, with the word, the service and its protocol as arguments.
func fallbackArgs(v *config.Virtual, word string) []string {
	where := v.ID.Addr.String()
	if v.ID.Protocol == dataplane.FWMark {
		where = fmt.Sprintf("%d:0", v.ID.Mark)
	}
	line := strings.Join([]string{v.FallbackCommand, word, where, v.ID.Protocol.String()}, " ")
	return []string{"/bin/sh", "-c", line}
}

// noEffects are the effects of a cluster that has stopped.
type noEffects struct{}

func (noEffects) apply(dataplane.VirtualService)          {}
func (noEffects) remove(dataplane.ServiceID)              {}
func (noEffects) removeFound(dataplane.VirtualService)    {}
func (noEffects) fallbackCommand(*config.Virtual, string) {}
func (noEffects) run(string, string, []string)            {}
func (noEffects) mail(Mail)                               {}
func (noEffects) post(Post)                               {}
func (noEffects) monitor(string, string)                  {}
func (noEffects) save(uint64, statefile.State)            {}
func (noEffects) record(Event) uint64                     { return 0 }
