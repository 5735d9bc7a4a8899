package admin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/director"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// someEvents returns the events of a director that does nothing, three of them.
func someEvents() *director.Events {
	events := director.EventsOf(director.New(director.Options{}))
	for _, e := range []director.Event{
		{Event: "started"},
		{Event: "down", Service: "tcp 10.0.0.100:80", Real: "192.168.80.110:80"},
		{Event: "up", Service: "tcp 10.0.0.101:80", Real: "192.168.80.120:80"},
	} {
		events.Add(e)
	}
	return events
}

func newAsked(t *testing.T, events *director.Events) *admin.Server {
	s := admin.New(admin.Options{Source: tells(calm()), Log: slog.New(slog.DiscardHandler), Events: events})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func controlOf(t *testing.T, s *admin.Server) *admin.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	if err := s.ListenControl(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return admin.Dial(path)
}

func TestEventsAreFiltered(t *testing.T) {
	events := someEvents()
	c := controlOf(t, newAsked(t, events))
	all, _, last := events.After(0)
	for _, tt := range []struct {
		q    admin.EventsQuery
		want string
	}{
		{admin.EventsQuery{}, "started down up"},
		{admin.EventsQuery{After: all[0].Seq}, "down up"},
		{admin.EventsQuery{After: last}, ""},
		{admin.EventsQuery{After: last + 1000}, "started down up"},
		{admin.EventsQuery{Service: "10.0.0.100:80"}, "down"},
		{admin.EventsQuery{Real: "192.168.80.120"}, "up"},
	} {
		var got []string
		err := c.Events(t.Context(), tt.q, func(e director.Event, lost uint64) error {
			got = append(got, e.Event)
			if lost > 0 {
				return fmt.Errorf("%d lost", lost)
			}
			return nil
		})
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: %q, %v, want %q", tt.q, got, err, tt.want)
		}
	}
	if err := c.Events(t.Context(), admin.EventsQuery{}, func(director.Event, uint64) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("an error of the caller: %v", err)
	}
	if err := controlOf(t, newAsked(t, nil)).Events(t.Context(), admin.EventsQuery{}, nil); err == nil || !strings.Contains(err.Error(), "keeps no events") {
		t.Errorf("without events: %v", err)
	}
}

// A follower gets what comes, hears how much it has missed, and is let go when the server
// closes.
func TestEventsAreFollowed(t *testing.T) {
	events := someEvents()
	s := newAsked(t, events)
	c := controlOf(t, s)
	got := make(chan string)
	ended := make(chan error, 1)
	go func() {
		ended <- c.Events(t.Context(), admin.EventsQuery{Follow: true}, func(e director.Event, lost uint64) error {
			got <- fmt.Sprint(e.Event, lost)
			return nil
		})
	}()
	for _, want := range []string{"started0", "down0", "up0"} {
		if e := <-got; e != want {
			t.Fatalf("got %s, want %s", e, want)
		}
	}
	for i := range 10 {
		events.Add(director.Event{Event: fmt.Sprint("later", i, " ")})
		if e := <-got; e != fmt.Sprint("later", i, " 0") {
			t.Fatalf("event %d is %s", i, e)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("after the end of shunt: %v", err)
	}
}

// Server-sent events: numbers that a browser names after a break, lost events under a name
// of their own, and a limit.
func TestEventStream(t *testing.T) {
	events := someEvents()
	s := newAsked(t, events)
	base, client := listen(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ask := func(last string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/events?follow", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		if last != "" {
			req.Header.Set("Last-Event-ID", last)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	all, _, last := events.After(0)
	r := ask(fmt.Sprint(all[1].Seq))
	lines := bufio.NewScanner(r.Body)
	read := func() (text string) {
		for lines.Scan() && lines.Text() != "" {
			text += lines.Text() + "\n"
		}
		return text
	}
	if got := read(); r.Header.Get("Content-Type") != "text/event-stream" ||
		!strings.HasPrefix(got, fmt.Sprintf("id: %d\ndata: {\"version\":0,\"seq\":%d,\"event\":\"up\"", last, last)) {
		t.Errorf("%v %q", r.Header, got)
	}
	events.Add(director.Event{Event: "later"})
	if got := read(); !strings.Contains(got, `"event":"later"`) {
		t.Errorf("got %q", got)
	}
	for range 2000 {
		events.Add(director.Event{Event: "many"})
	}
	again := bufio.NewScanner(ask(fmt.Sprint(last)).Body)
	again.Scan()
	name := again.Text()
	if again.Scan(); name != "event: lost" || again.Text() != `data: {"lost":977}` {
		t.Errorf("after 2001 events: %q %q", name, again.Text())
	}
	if bad := ask("x"); bad.StatusCode != http.StatusBadRequest {
		t.Errorf("number x: %s", bad.Status)
	}
	wait.For(t, "no more than 32 follow", func() (int, bool) {
		r := ask("")
		return r.StatusCode, r.StatusCode == http.StatusServiceUnavailable
	})
}

// Followers on the TCP address, as many as there may be, do not keep the operator from it.
func TestEventFollowersOfEachListener(t *testing.T) {
	s := newAsked(t, someEvents())
	base, client := listen(t, s)
	c := controlOf(t, s)
	follow := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v1/events?follow", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp.StatusCode
	}
	for range 32 {
		if code := follow(); code != http.StatusOK {
			t.Fatalf("a follower gets status %d", code)
		}
	}
	if code := follow(); code != http.StatusServiceUnavailable {
		t.Errorf("one too many: status %d", code)
	}
	err := c.Events(t.Context(), admin.EventsQuery{Follow: true}, func(director.Event, uint64) error { return io.ErrClosedPipe })
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("on the control socket: %v", err)
	}
}
