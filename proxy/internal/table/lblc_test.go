package table_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-lb/shunt/proxy/internal/table"
)

// TestLocalityIsForgotten: the servers of a destination expire after a day without
// clients.
func TestLocalityIsForgotten(t *testing.T) {
	for _, scheduler := range []string{"lblc", "lblcr"} {
		synctest.Test(t, func(t *testing.T) {
			s := table.New(service(scheduler, 5, 5))
			held, _ := s.Pick(client(0), nil)
			if got := sequence(s, 2); letter(held) != "A" || got != "AA" {
				t.Errorf("%s picks %s and %s, want A and AA", scheduler, letter(held), got)
			}
			time.Sleep(23 * time.Hour)
			if got := sequence(s, 2); got != "AA" {
				t.Errorf("%s picks %s within a day, want AA", scheduler, got)
			}
			time.Sleep(25 * time.Hour)
			if got := sequence(s, 1); got != "B" {
				t.Errorf("%s picks %s after a day, want B, which has less to do", scheduler, got)
			}
		})
	}
}

// An overcrowded server gets company; when that has been enough for a day, the
// busiest leaves.
func TestReplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := table.New(service("lblcr", 2, 2, 8))
		var early []table.Claim
		got := ""
		for range 8 {
			c, _ := s.Pick(client(0), nil)
			if got += letter(c); letter(c) != "C" {
				early = append(early, c)
			}
		}
		if got != "AAABBBCC" {
			t.Fatalf("picks %s, want AAABBBCC", got)
		}
		for range 3 {
			time.Sleep(10 * time.Hour)
			if got := sequence(s, 1); got != "C" {
				t.Errorf("picks %s of the set, want C", got)
			}
		}
		for _, c := range early {
			c.Done()
		}
		if got := sequence(s, 1); got != "A" {
			t.Errorf("picks %s with A and B idle, want A, since B has left", got)
		}
	})
}

// A server that leaves is not where the destination is.
func TestLocalityOfRemoved(t *testing.T) {
	for _, scheduler := range []string{"lblc", "lblcr"} {
		s := table.New(service(scheduler, 5, 5))
		sequence(s, 1)
		s.Update(service(scheduler, -1, 5))
		if got := sequence(s, 2); got != "BB" {
			t.Errorf("%s picks %s without A, want BB", scheduler, got)
		}
	}
}
