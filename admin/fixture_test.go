package admin_test

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

var update = flag.Bool("update", false, "rewrite the golden files and the table in METRICS.md")

func TestMain(m *testing.M) {
	time.Local = time.UTC // golden files hold local times
	leak.Main(m)
}

// The director is what the server reads.
var _ admin.Source = (*director.Director)(nil)

// A source is a director made of two functions.
type source struct {
	status func(context.Context) (director.Status, error)
	reload func(context.Context) error
}

func (s source) Status(ctx context.Context) (director.Status, error) { return s.status(ctx) }
func (s source) History(ctx context.Context, service, real string) ([]director.ServerHistory, error) {
	if _, err := s.status(ctx); err != nil {
		return nil, err
	}
	return []director.ServerHistory{history(service, real)}, nil
}
func (s source) Reload(ctx context.Context) error { return s.reload(ctx) }

// tells is a source that always has st.
func tells(st director.Status) source {
	return source{
		status: func(context.Context) (director.Status, error) { return st, nil },
		reload: func(context.Context) error { return nil },
	}
}

// stuck is a source whose loop does not answer any more.
func stuck() source {
	return source{
		status: func(ctx context.Context) (director.Status, error) {
			<-ctx.Done()
			return director.Status{}, ctx.Err()
		},
		reload: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	}
}

// newServer returns a server that is closed with the test.
func newServer(t testing.TB, src admin.Source) *admin.Server {
	t.Helper()
	s := admin.New(admin.Options{
		Source: src, Log: slog.New(slog.DiscardHandler),
		Version: "1.2.3", Commit: "0123abcd",
		Sorry: func() map[string]admin.SorryStats {
			return map[string]admin.SorryStats{"tcp 10.0.0.100:80": {
				Connections: 31, Active: 1, Refused: 2, Requests: 40, Lines: 3, Queries: 4, Resets: 5, Ignored: 6, Bytes: 70_000,
			}}
		},
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// closing closes what a test has opened.
func closing(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// The states of a director that these tests know.
var (
	calm, troubled = fixture.Calm, fixture.Troubled
	web, history   = fixture.Web, fixture.History
)
