// Package demo tells the story that every guide to LVS tells, with a real
// director: two web servers with weights 2 and 1, one of them stops, both
// stop, the sorry page answers, both come back.
package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/shunt-lb/shunt/daemon"
)

// Options are what the command line says.
type Options struct {
	// Once ends after the story; otherwise the director goes on until ctx is
	// done.
	Once bool
	// Out gets the story.
	Out io.Writer
	// Listen is the address of the virtual service; with port 0 or a port in
	// use, a free one is taken.
	Listen  string
	Version string
}

// patience is how long the director may take to notice anything.
const patience = 20 * time.Second

// A stage is everything that is running while the story is told.
type stage struct {
	Options
	a, b   *webServer
	daemon *daemon.Daemon
	vip    string
	file   string
}

// Run tells the story. It needs no rights and leaves nothing behind.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "shunt-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{Options: o, file: filepath.Join(dir, "ldirectord.cf")}
	defer s.strike()
	if err := s.set(ctx, dir); err != nil {
		return err
	}
	if err := s.story(ctx); err != nil || o.Once {
		return err
	}
	s.say("The director goes on; try it in another terminal, and end it here with Ctrl-C:\n\n    curl http://%s/\n    shunt status --config %s\n    curl http://%s/metrics\n", s.vip, s.file, s.daemon.Admin())
	<-ctx.Done()
	return nil
}

// set starts the servers and the director.
func (s *stage) set(ctx context.Context, dir string) (err error) {
	if s.vip, err = freeAddr(s.Listen); err != nil {
		return err
	}
	if s.a, err = newWebServer("A"); err != nil {
		return err
	}
	if s.b, err = newWebServer("B"); err != nil {
		return err
	}
	text := s.config(dir)
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		return err
	}
	s.say("Two web servers, A on %s and B on %s, and this ldirectord.cf:\n\n%s", s.a.addr, s.b.addr, indent(text))
	s.daemon = daemon.New(daemon.Options{
		Config: s.file, Dataplane: "proxy", Admin: "127.0.0.1:0", Control: []string{filepath.Join(dir, "control.sock")},
		LogFormat: "text", LogLevel: slog.LevelWarn, Version: s.Version,
	})
	return s.daemon.Start(ctx)
}

// strike takes everything down again.
func (s *stage) strike() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.daemon != nil {
		_ = s.daemon.Stop(ctx)
	}
	for _, w := range []*webServer{s.a, s.b} {
		if w != nil {
			w.stop()
		}
	}
}

func (s *stage) config(dir string) string {
	return fmt.Sprintf(`checktimeout=1
checkinterval=1
quiescent=no
logfile="%s"
virtual=%s
	real=%s masq 2
	real=%s masq 1
	fallback=sorry
	service=http
	request="index.html"
	scheduler=wrr
	protocol=tcp
	checktype=negotiate
`, filepath.Join(dir, "shunt.log"), s.vip, s.a.addr, s.b.addr)
}

func (s *stage) say(format string, a ...any) { fmt.Fprintf(s.Out, format+"\n", a...) }
