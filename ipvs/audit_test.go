package ipvs

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/dataplane"
)

// drifts returns what an audit finds, for each service by name.
func drifts(t *testing.T, d *Dataplane) map[string][]string {
	t.Helper()
	found, err := d.Audit(t.Context())
	must(t, err)
	by := map[string][]string{}
	for _, f := range found {
		by[f.Service.String()] = f.Changes
	}
	return by
}

// TestAuditFindsEachChange changes one thing at a time behind the dataplane, with
// and without a listing, and repairs it.
func TestAuditFindsEachChange(t *testing.T) {
	server := func(f *fake) *serverEntry { return &f.services[web].servers[0] }
	for _, blind := range []bool{false, true} {
		for says, meddle := range map[string]func(f *fake){
			"the service is missing":                                               func(f *fake) { delete(f.services, web) },
			"scheduler rr instead of wrr":                                          func(f *fake) { f.services[web].scheduler = "rr" },
			"flags of the scheduler flag-1 instead of none":                        func(f *fake) { f.services[web].flags |= flagSched1 },
			"persistence 1m0s by 32 bits instead of off":                           func(f *fake) { f.services[web].flags |= flagPersistent; f.services[web].timeout = 60 },
			"engine of persistence sip instead of none":                            func(f *fake) { f.services[web].engine = "sip" },
			"ops true instead of false":                                            func(f *fake) { f.services[web].flags |= flagOnePacket },
			"real server 10.9.1.1:8080 has weight 0 instead of 2":                  func(f *fake) { server(f).weight = 0 },
			"real server 10.9.1.1:8080 has forwarding method gate instead of masq": func(f *fake) { server(f).method = methodDirect },
			"real server 10.9.1.1:8080 has upper threshold 9 instead of 0":         func(f *fake) { server(f).upper = 9 },
			"real server 10.9.1.1:8080 is missing":                                 func(f *fake) { f.services[web].servers = f.services[web].servers[1:] },
			"real server 10.9.1.1:80 with weight 1 is not of the configuration": func(f *fake) {
				f.services[web].servers = append(f.services[web].servers, serverEntry{server: rip})
			},
		} {
			d, f := opened()
			f.blind = blind
			must(t, d.Apply(t.Context(), two()))
			if got := drifts(t, d); len(got) > 0 {
				t.Errorf("nothing was changed, and found is %v", got)
			}
			meddle(f)
			if diff := cmp.Diff(map[string][]string{web.String(): {says}}, drifts(t, d)); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			must(t, d.Apply(t.Context(), two()))
			if got := drifts(t, d); len(got) > 0 {
				t.Errorf("%q was put right, and found is %v", says, got)
			}
		}
	}
}

// TestAuditOfManyReadsFew: among many services, a change that the listing shows
// is found at once, another one in turn, and few services are read for that.
func TestAuditOfManyReadsFew(t *testing.T) {
	const n = 10 * perAudit
	d, f := opened()
	ids := make([]dataplane.ServiceID, n)
	for i := range ids {
		v := two()
		v.ID = tcp(fmt.Sprintf("10.20.%d.%d:80", i/250, i%250+1))
		ids[i] = v.ID
		must(t, d.Apply(t.Context(), v))
	}
	for range n / perAudit {
		if got := drifts(t, d); len(got) > 0 {
			t.Fatalf("found %v", got)
		}
	}
	f.viewed = 0
	f.services[ids[7]].servers[0].weight = 0
	f.services[ids[n-1]].servers[0].upper = 5
	got := drifts(t, d)
	if len(got) != 1 || got[ids[7].String()] == nil {
		t.Errorf("found %v, want what the listing shows", got)
	}
	for range n/perAudit - 1 {
		got = drifts(t, d)
	}
	if got[ids[n-1].String()] == nil {
		t.Errorf("found %v, want what the listing does not show", got)
	}
	if most := n + n/perAudit; f.viewed > most {
		t.Errorf("%d services were read, want at most %d", f.viewed, most)
	}
}

// TestNoChangeWaitsForAReader holds up readers in the kernel.
func TestNoChangeWaitsForAReader(t *testing.T) {
	d, f := opened()
	must(t, d.Apply(t.Context(), two()))
	slow := &slowView{viewer: f.view(), reading: make(chan struct{}), goOn: make(chan struct{})}
	d.view = slow
	for what, read := range map[string]func() error{
		"Audit":    func() error { _, err := d.Audit(t.Context()); return err },
		"Snapshot": func() error { _, err := d.Snapshot(t.Context()); return err },
	} {
		done := make(chan error)
		go func() { done <- read() }()
		<-slow.reading
		want, applied := two(), make(chan error, 1)
		want.RealServers[0].Weight += len(what)
		go func() { applied <- d.Apply(t.Context(), want) }()
		select {
		case err := <-applied:
			must(t, err)
		case <-time.After(time.Minute):
			t.Fatalf("Apply waits for %s", what)
		}
		slow.goOn <- struct{}{}
		must(t, <-done)
	}
}

// A slowView waits in each call.
type slowView struct {
	viewer
	reading, goOn chan struct{}
}

func (s *slowView) read(id dataplane.ServiceID) (entry, error) {
	s.reading <- struct{}{}
	<-s.goOn
	return s.viewer.read(id)
}

func (s *slowView) servers(id dataplane.ServiceID) ([]serverEntry, error) {
	s.reading <- struct{}{}
	<-s.goOn
	return s.viewer.servers(id)
}

// TestReadingDuringAChangeIsNoDrift changes a service while it is read.
func TestReadingDuringAChangeIsNoDrift(t *testing.T) {
	d, f := opened()
	must(t, d.Apply(t.Context(), two()))
	want := two()
	want.RealServers[0].Weight = 9
	d.view = &changingView{viewer: f.view(), after: func() { must(t, d.Apply(t.Context(), want)) }}
	if got := drifts(t, d); len(got) > 0 {
		t.Errorf("a change of our own is found as %v", got)
	}
	all, err := d.Snapshot(t.Context())
	must(t, err)
	if len(all[0].Changes) > 0 || !slices.Equal(all[0].Service.RealServers, want.RealServers) {
		t.Errorf("after a change of our own: %+v", all[0])
	}
}

// A changingView calls a function after each reading.
type changingView struct {
	viewer
	after func()
}

func (m *changingView) read(id dataplane.ServiceID) (entry, error) {
	defer m.after()
	return m.viewer.read(id)
}

// TestAuditNamesWhatIsMissing: real servers that somebody has removed are named
// apart, as long as their service is there.
func TestAuditNamesWhatIsMissing(t *testing.T) {
	d, f := opened()
	must(t, d.Apply(t.Context(), two()))
	gone := f.services[web].servers[0].addr
	f.services[web].servers = f.services[web].servers[1:]
	f.services[web].scheduler = "rr"
	found, err := d.Audit(t.Context())
	if err != nil || len(found) != 1 || !slices.Equal(found[0].Missing, []netip.AddrPort{gone}) || len(found[0].Changes) != 2 {
		t.Errorf("found %+v, %v; want %s missing and one more change", found, err, gone)
	}
	delete(f.services, web)
	if found, err = d.Audit(t.Context()); err != nil || len(found) != 1 || len(found[0].Missing) > 0 {
		t.Errorf("without the service found is %+v, %v", found, err)
	}
}
