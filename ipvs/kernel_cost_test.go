//go:build kernel

package ipvs

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// spent is the processor time that this process has used.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestAuditCosts audits a thousand services with five real servers each. An audit
// costs a fraction of reading all of them, which is what it would cost to ask for
// each; what that is of a core is logged, because a machine with much to do makes
// an emulated one count its waiting, too. One change that somebody else makes is
// found by the next audit.
func TestAuditCosts(t *testing.T) {
	k := openTest(t)
	d := withTable(k, nil)
	all := many()
	for i := range all {
		all[i].RealServers = all[i].RealServers[:5]
	}
	applyAll(t, d, all)
	quiet := func() {
		found, err := d.Audit(t.Context())
		must(t, err)
		if len(found) > 0 {
			t.Fatalf("found %v", found)
		}
	}
	for range len(all)/perAudit + 1 {
		quiet()
	}
	// In turns, and the least of each: what a busy machine adds to one it adds
	// to the other.
	audit, whole := time.Hour, time.Hour
	for range 4 {
		before := spent(t)
		quiet()
		audit = min(audit, spent(t)-before)
		before = spent(t)
		_, err := d.Snapshot(t.Context())
		must(t, err)
		whole = min(whole, spent(t)-before)
	}
	t.Logf("an audit every ten seconds takes %.1f%% of a core, reading everything as often %.1f%%",
		audit.Seconds()*10, whole.Seconds()*10)
	if audit > whole/2 {
		t.Errorf("an audit costs %v, reading everything %v", audit, whole)
	}
	changed := goalServer(all[700].RealServers[2])
	changed.weight = 0
	must(t, k.setServer(all[700].ID, changed))
	found, err := d.Audit(t.Context())
	must(t, err)
	if len(found) != 1 || found[0].Service != all[700].ID || len(found[0].Changes) != 1 {
		t.Errorf("found %v, want the weight of one real server", found)
	}
	must(t, d.Apply(t.Context(), all[700]))
	quiet()
}
