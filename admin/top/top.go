// Package top shows in a terminal what a running shunt does, once a second, and takes
// an operator's orders.
package top

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/director"
)

const (
	// every is how often the status is asked for, and seldom of many services.
	every  = time.Second
	seldom = 2 * time.Second
	many   = 500
	// patience is how long an answer may take.
	patience = 10 * time.Second
)

// A Source is a running shunt; a client of its control socket is one.
type Source interface {
	Status(ctx context.Context) (director.Status, error)
	Order(ctx context.Context, o director.Order) ([]director.OrderStatus, error)
	Explain(ctx context.Context, name, service string) (director.Explanation, error)
}

// Options say how a screen looks.
type Options struct {
	// Host names the machine of the director.
	Host string
	// Color marks states with ANSI colours; words say the same.
	Color bool
}

// Run shows src on a terminal until q is pressed or ctx is done.
func Run(ctx context.Context, src Source, in io.Reader, out io.Writer, o Options) error {
	_, err := tea.NewProgram(New(ctx, src, o), tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out)).Run()
	if errors.Is(err, tea.ErrInterrupted) || ctx.Err() != nil {
		return nil // the user has seen enough
	}
	return err
}

// A Told is the answer to a question for the status: a message of a Model.
type Told struct {
	Status director.Status
	Err    error
	At     time.Time
}

// An Ordered is the answer to an order: a message of a Model.
type Ordered struct {
	Order director.Order
	Err   error
}

// An Explained is the answer to the question why a row is as it is: a message of a Model.
type Explained struct {
	Explanation director.Explanation
	Err         error
}

// explain asks why a row is as it is.
func explain(ctx context.Context, src Source, r *row) tea.Cmd {
	if r == nil {
		return nil
	}
	name, service := r.service, ""
	if r.rs != nil {
		name, service = r.rs.Server, r.service
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		e, err := src.Explain(ctx, name, service)
		return Explained{e, err}
	}
}

// lines returns an explanation as a screen shows it.
func (e Explained) lines(o text.Options) []string {
	var out strings.Builder
	_ = text.RenderExplanation(&out, e.Explanation, o) // a builder takes all
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// ask asks for the status now.
func (m *Model) ask() tea.Msg {
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	st, err := m.src.Status(ctx)
	return Told{st, err, time.Now()}
}

// later asks for it after a while.
func (m *Model) later() tea.Cmd {
	after := every
	if len(m.status.Services) > many {
		after = seldom
	}
	return tea.Tick(after, func(time.Time) tea.Msg { return m.ask() })
}

// give gives an order.
func (m *Model) give(o director.Order) tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, patience)
		defer cancel()
		_, err := m.src.Order(ctx, o)
		return Ordered{o, err}
	}
}
