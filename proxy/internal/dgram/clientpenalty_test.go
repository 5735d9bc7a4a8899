package dgram

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

func clientAt(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 53)
}

// A refusal is over when its time is, and then costs nobody a lock.
func TestRefusalsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r penalties
		a, b := new(table.Server), new(table.Server)
		want := func(client, all, own int) {
			t.Helper()
			gotAll, gotOwn := r.of(clientAt(client))
			if len(gotAll) != all || len(gotOwn) != own {
				t.Errorf("client %d passes over %d servers, %d of them alone; want %d and %d", client, len(gotAll), len(gotOwn), all, own)
			}
		}
		r.add(a, clientAt(1), true)
		want(1, 1, 1)
		want(2, 0, 0)
		time.Sleep(6 * time.Second)
		r.add(a, clientAt(2), true)
		r.add(b, clientAt(2), false) // it stands in for the first one
		r.add(b, clientAt(3), false)
		want(1, 2, 1)
		want(2, 3, 2)
		want(4, 1, 0)
		time.Sleep(6 * time.Second)
		want(1, 1, 0)
		r.add(b, clientAt(1), true) // a new generation
		want(1, 2, 1)
		want(2, 3, 2)
		time.Sleep(6 * time.Second)
		want(2, 0, 0)
		want(1, 1, 1)
		if !r.any.Load() {
			t.Error("the last refusal is forgotten")
		}
		time.Sleep(4 * time.Second)
		want(1, 0, 0)
		if r.any.Load() || r.byClient.younger.byClient != nil || r.byClient.older.byClient != nil {
			t.Error("refusals that are over are still looked for")
		}
	})
}

// However many clients are refused, the first are forgotten and no more is held.
func TestRefusalsAreBounded(t *testing.T) {
	var r penalties
	a := new(table.Server)
	for i := range 5*maxClientPenalties/2 + 7 {
		r.add(a, clientAt(i), true)
		r.add(a, clientAt(i), true)
	}
	if n := r.byClient.younger.size + r.byClient.older.size; n > 2*maxClientPenalties || n != len(r.byClient.younger.byClient)+len(r.byClient.older.byClient) {
		t.Errorf("%d refusals are held, %d at most are to be", n, 2*maxClientPenalties)
	}
	if all, _ := r.of(clientAt(5*maxClientPenalties/2 + 6)); len(all) != 1 {
		t.Error("the last one is forgotten")
	}
}
