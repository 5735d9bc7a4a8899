package page_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/page"
	"github.com/shunt-lb/shunt/director"
)

// A reader keeps the messages of a stream. While it is held, it reads nothing.
type reader struct {
	mu     sync.Mutex
	got    []message
	header http.Header
	code   int
	held   chan struct{}
	query  string
}

type message struct {
	At    string   `json:"at"`
	Parts []string `json:"parts"`
}

func (r *reader) Header() http.Header { return r.header }
func (r *reader) WriteHeader(code int) {
	r.code = code
}

func (r *reader) Write(b []byte) (int, error) {
	<-r.held
	r.mu.Lock()
	defer r.mu.Unlock()
	if data, ok := bytes.CutPrefix(b, []byte("data: ")); ok {
		var m message
		if err := json.Unmarshal(data, &m); err != nil || !bytes.HasSuffix(b, []byte("\n\n")) {
			return 0, err
		}
		r.got = append(r.got, m)
	}
	return len(b), nil
}
func (r *reader) Flush() {}

// all returns the messages, and forgets them.
func (r *reader) all() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.got
	r.got = nil
	return all
}

// A watched page has a status that a test changes, and streams.
type watched struct {
	*page.Page
	mu     sync.Mutex
	status director.Status
	err    error
	asked  int
	group  sync.WaitGroup
}

func watch(st director.Status) *watched {
	w := &watched{status: st}
	w.Page = page.New(page.Options{Host: "lvs1", Status: func(context.Context) (director.Status, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked++
		return w.status, w.err
	}})
	return w
}

func (w *watched) change(f func(*director.Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.status)
}

// stream opens one that ends with ctx. The channel is closed when it has ended.
func (w *watched) stream(ctx context.Context, r *reader) <-chan struct{} {
	done := make(chan struct{})
	r.header = http.Header{}
	if r.held == nil {
		r.held = make(chan struct{})
		close(r.held)
	}
	w.group.Go(func() {
		defer close(done)
		w.Stream(r, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/stream"+r.query, nil))
	})
	return done
}

// A page that was loaded after the others were told does not go back to that.
func TestStreamIsNotOlderThanThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(fixture.Calm())
		defer w.Close()
		var other, r reader
		w.stream(t.Context(), &other)
		time.Sleep(1500 * time.Millisecond)
		w.change(func(st *director.Status) { st.Dataplane.Reason = "news" })
		r.query = fmt.Sprintf("?after=%d", time.Now().UnixNano())
		w.stream(t.Context(), &r)
		synctest.Wait()
		all := r.all()
		if len(all) != 1 || !strings.Contains(strings.Join(all[0].Parts, ""), "news") {
			t.Errorf("at first %+v", all)
		}
	})
}

func ended(c <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A stream begins with the whole page and has then what changes, within two seconds.
func TestStreamSendsWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := fixture.Calm()
		st.Services = append(st.Services, fixture.Mail())
		w := watch(st)
		defer w.Close()
		var r reader
		done := w.stream(t.Context(), &r)
		time.Sleep(time.Second)
		first := r.all()
		if len(first) != 1 || len(first[0].Parts) != 5 || first[0].At != time.Now().UTC().Add(-time.Second).Format(time.RFC3339) {
			t.Fatalf("at first %+v", first)
		}
		time.Sleep(2 * time.Second)
		for _, m := range r.all() { // ages of problems grow
			if len(m.Parts) > 1 || m.At == "" {
				t.Errorf("nothing has changed, and sent is %q", m.Parts)
			}
		}
		w.change(func(st *director.Status) {
			st.Services = append([]director.ServiceStatus{}, st.Services...)
			sv := fixture.Calm().Services[0]
			sv.Servers[0].State, sv.Servers[0].Admin = director.Drain, &director.Admin{State: director.Drain, By: "alice", Saved: true}
			st.Services[0] = sv
		})
		time.Sleep(2 * time.Second)
		var ids []string
		for _, m := range r.all() {
			for _, html := range m.Parts {
				_, id, _ := strings.Cut(html, `id="`)
				id, _, _ = strings.Cut(id, `"`)
				ids = append(ids, id)
				if id == "s0" && !strings.Contains(html, `class="drain">drain`) {
					t.Errorf("no drain in %s", html)
				}
			}
		}
		if got := strings.Join(ids, " "); got != "summary problems s0" {
			t.Errorf("after a drain changed: %s", got)
		}
		w.change(func(st *director.Status) { st.Services = st.Services[1:] })
		time.Sleep(2 * time.Second)
		if got := r.all(); len(got) != 1 || !strings.Contains(strings.Join(got[0].Parts, ""), `id="services"`) {
			t.Errorf("after a service was removed %+v", got)
		}
		w.mu.Lock()
		w.err = errors.New("stuck")
		w.mu.Unlock()
		time.Sleep(2 * time.Second)
		if got := r.all(); len(got) != 1 || got[0].At != "" || len(got[0].Parts) != 1 || !strings.Contains(got[0].Parts[0], "stuck") {
			t.Errorf("without a status %+v", got)
		}
		w.Close()
		<-done
	})
}

// Nobody asks the director for nobody.
func TestStreamWithoutReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(fixture.Calm())
		ctx, cancel := context.WithCancel(t.Context())
		var r reader
		done := w.stream(ctx, &r)
		time.Sleep(time.Minute)
		cancel()
		<-done
		time.Sleep(time.Minute)
		synctest.Wait() // sleeping alone does not order what goroutines do
		before := w.asked
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.asked != before || before < 30 || before > 33 {
			t.Errorf("asked %d times, and then %d", before, w.asked)
		}
		var again reader
		done = w.stream(t.Context(), &again)
		time.Sleep(time.Second)
		if len(again.all()) != 1 {
			t.Error("the next one gets nothing")
		}
		w.Close()
		<-done
		var late reader
		<-w.stream(t.Context(), &late)
		if late.code != http.StatusServiceUnavailable {
			t.Errorf("after Close: status %d", late.code)
		}
	})
}

// A reader that does not read is cut, and holds up nobody. The number of readers is
// bounded.
func TestStreamBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(fixture.Many(20))
		slow := reader{held: make(chan struct{})}
		cut := w.stream(t.Context(), &slow)
		readers := make([]reader, 31)
		for i := range readers {
			w.stream(t.Context(), &readers[i])
		}
		synctest.Wait()
		var refused reader
		<-w.stream(t.Context(), &refused)
		if refused.code != http.StatusServiceUnavailable || refused.header.Get("Retry-After") == "" {
			t.Errorf("one too many: status %d, %v", refused.code, refused.header)
		}
		time.Sleep(20 * time.Second)
		for i := range readers {
			if n := len(readers[i].all()); n < 10 {
				t.Errorf("reader %d has had %d messages", i, n)
			}
		}
		close(slow.held)
		if !ended(cut) {
			t.Error("the slow one goes on")
		}
		var next reader
		w.stream(t.Context(), &next)
		time.Sleep(time.Second)
		if len(next.all()) == 0 {
			t.Error("its place is not free")
		}
		w.Close()
		w.group.Wait()
	})
}

// Of many busy services each is sent less often, and the problems are not.
func TestStreamIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(fixture.Many(300))
		var r reader
		w.stream(t.Context(), &r)
		time.Sleep(time.Second)
		r.all()
		bytes, messages := 0, 0
		const long = 40 * time.Second
		for range int(long / (2 * time.Second)) {
			w.change(func(st *director.Status) {
				st.Services = append([]director.ServiceStatus{}, st.Services...)
				for i := range st.Services {
					st.Services[i].Counters.Connections++
				}
			})
			time.Sleep(2 * time.Second)
			for _, m := range r.all() {
				messages++
				bytes += len(strings.Join(m.Parts, ""))
			}
		}
		if rate := bytes / int(long/time.Second); rate > 200<<10 || rate < 30<<10 || messages < 18 {
			t.Errorf("%d bytes a second in %d messages", rate, messages)
		}
		w.Close()
		w.group.Wait()
	})
}

// A reader that comes while services wait has news of one before the others. If that goes
// back before the others hear of it, the reader hears of that.
func TestStreamTakesBackWhatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(fixture.Many(300))
		count := func(of func(i int) uint64) {
			w.change(func(st *director.Status) {
				st.Services = append([]director.ServiceStatus{}, st.Services...)
				for i := range st.Services {
					st.Services[i].Counters.Connections = of(i)
				}
			})
		}
		calm := func(int) uint64 { return 1000 }
		var other, r reader
		w.stream(t.Context(), &other)
		time.Sleep(time.Second)
		count(calm) // all of them: the next ones wait
		time.Sleep(2 * time.Second)
		count(func(i int) uint64 { return 1000 + uint64(i/299)*111 })
		time.Sleep(2 * time.Second)
		w.stream(t.Context(), &r)
		time.Sleep(time.Second / 2)
		count(calm)
		time.Sleep(20 * time.Second)
		last, waited := "", false
		for _, m := range r.all() {
			for _, html := range m.Parts {
				if _, one, found := strings.Cut(html, `id="s299"`); found {
					last = one
					waited = waited || strings.Contains(one, "1111 connections")
				}
			}
		}
		if !waited || !strings.Contains(last, "; 1000 connections") {
			t.Errorf("news before the others: %v; at last %q", waited, last)
		}
		for _, m := range other.all() {
			if strings.Contains(strings.Join(m.Parts, ""), "1111 connections") {
				t.Error("the services did not wait")
			}
		}
		w.Close()
		w.group.Wait()
	})
}
