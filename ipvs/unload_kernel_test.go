//go:build kernel

package ipvs

// After what is tested here the library is of no use any more in this process,
// which is why the file comes after all others that use it.

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-lb/shunt/dataplane"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// unload takes IPVS out of the kernel, with its schedulers. Namespaces of other
// tests may take a while to go.
func unload(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile("/proc/modules")
		must(t, err)
		var ours []string
		for line := range strings.Lines(string(text)) {
			if name := strings.Fields(line)[0]; strings.HasPrefix(name, "ip_vs") {
				ours = append(ours, name)
			}
		}
		if len(ours) == 0 {
			return
		}
		slices.SortFunc(ours, func(a, b string) int { return len(b) - len(a) }) // ip_vs itself is last
		var failed error
		for _, name := range ours {
			if err := unix.DeleteModule(name, unix.O_NONBLOCK); err != nil {
				failed = errors.Join(failed, err)
			}
		}
		if failed != nil && time.Now().After(end) {
			t.Fatalf("unload %v: %v", ours, failed)
		}
	}
}

// TestModuleLoadedAnew unloads IPVS, which comes back with an empty table, other
// numbers and its default settings. Everything works from then on, whatever is
// called first.
func TestModuleLoadedAnew(t *testing.T) {
	n := namespace(t, netlab.Test(t))
	var d *Dataplane
	told := make(chan struct{}, 10)
	must(t, n.Do(func() (err error) {
		d, err = New(Options{Renewed: func() { told <- struct{}{} }})
		return err
	}))
	t.Cleanup(func() { _ = d.Close() })
	want := two()
	reset := Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 5 * time.Minute}
	for name, first := range map[string]func(){
		"Apply": func() { must(t, d.Apply(t.Context(), want)) },
		"Remove and Apply": func() {
			must(t, d.Remove(t.Context(), web))
			must(t, d.Apply(t.Context(), want))
		},
		"Audit": func() {
			found, err := d.Audit(t.Context())
			must(t, err)
			if len(found) != 1 || !slices.Equal(found[0].Changes, []string{"the service is missing"}) {
				t.Errorf("found %v, want that the service is missing", found)
			}
			must(t, d.Apply(t.Context(), want))
		},
		"Snapshot": func() {
			all, err := d.Snapshot(t.Context())
			must(t, err)
			if len(all) != 1 || len(all[0].Servers) > 0 {
				t.Errorf("Snapshot of an empty table: %+v", all)
			}
			must(t, d.Apply(t.Context(), want))
		},
		"Find": func() {
			found, err := d.Find(t.Context(), []dataplane.ServiceID{web})
			must(t, err)
			if len(found) > 0 {
				t.Errorf("found %v", found)
			}
			must(t, d.Apply(t.Context(), want))
		},
		"Timeouts": func() {
			got, err := d.Timeouts(t.Context())
			must(t, err)
			if got != reset {
				t.Errorf("timeouts of a module that was just loaded: %+v", got)
			}
			must(t, d.Apply(t.Context(), want))
		},
	} {
		must(t, d.Apply(t.Context(), want))
		must(t, d.SetTimeouts(t.Context(), Timeouts{TCP: time.Hour}))
		for len(told) > 0 {
			<-told
		}
		must(t, d.table.delService(web))
		unload(t)
		first()
		holds(t, d, want)
		select {
		case <-told:
		case <-time.After(time.Minute):
			t.Errorf("%s: nobody is told that the settings are those of the kernel again", name)
		}
		// Each way of writing.
		want.RealServers[0].Weight++
		must(t, d.Apply(t.Context(), want))
		want.Scheduler = map[string]string{"wrr": "rr", "rr": "wrr"}[want.Scheduler]
		must(t, d.Apply(t.Context(), want))
		gone := want.Clone()
		gone.RealServers = gone.RealServers[:1]
		must(t, d.Apply(t.Context(), gone))
		must(t, d.Apply(t.Context(), want))
		must(t, d.SetTimeouts(t.Context(), Timeouts{TCP: time.Hour, UDP: time.Minute}))
		got, err := d.Timeouts(t.Context())
		must(t, err)
		if (got != Timeouts{TCP: time.Hour, TCPFin: 2 * time.Minute, UDP: time.Minute}) {
			t.Errorf("%s: timeouts are %+v", name, got)
		}
		if found, err := d.Audit(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("%s: afterwards found %v, %v", name, found, err)
		}
		holds(t, d, want)
	}
}
