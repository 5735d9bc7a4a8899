//go:build kernel

package differential

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/daemon"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

// childEnv names the configuration that this program, started once more, is to
// be a director for.
const childEnv = "DIFFERENTIAL_CHILD"

func TestMain(m *testing.M) {
	if file := os.Getenv(childEnv); file != "" {
		if err := direct(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	leak.Main(m)
}

// direct is `shunt run --dataplane=ipvs`, as far as these tests need it.
func direct(file string) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGHUP, unix.SIGTERM)
	d := daemon.New(daemon.Options{Config: file, Dataplane: "ipvs", LogFormat: "text", LogLevel: slog.LevelInfo})
	ctx := context.Background()
	if err := d.Start(ctx); err != nil {
		return err
	}
	for s := range signals {
		if s == unix.SIGTERM {
			break
		}
		_ = d.Reload(ctx) // logged where it happens
	}
	return d.Stop(ctx)
}
