package text_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/text"
	"github.com/shunt-lb/shunt/dataplane"
)

func TestConnectionTable(t *testing.T) {
	var b strings.Builder
	table := text.NewConnectionTable(&b)
	for _, c := range fixture.Links {
		if err := table.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Add(dataplane.Connection{Protocol: "TCP", Client: fixture.Links[0].Client, Virtual: fixture.Links[0].Virtual, State: "WAITING"}); err != nil {
		t.Fatal(err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	const want = `PROTO  CLIENT          VIRTUAL           REAL SERVER       STATE        EXPIRES
TCP    10.1.0.2:41394  10.2.0.100:80     10.2.0.11:8080    ESTABLISHED   14m59s
UDP    10.1.0.2:41394  10.2.0.100:80     10.2.0.11:53      UDP            4m59s
TCP    10.1.0.3        10.2.0.100:443    [fd00:2::11]:443  ASSURED           2h
TCP    [fd00:1::2]:5   [fd00:2::100]:80  10.2.0.12:80      FIN_WAIT          0s
TCP    10.1.0.2:41394  10.2.0.100:80     -                 WAITING           0s
5 connections
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestConnectionTableFlows: what does not end is not kept.
func TestConnectionTableFlows(t *testing.T) {
	var b strings.Builder
	table := text.NewConnectionTable(&b)
	for n := 1; n <= 3000; n++ {
		if err := table.Add(fixture.Links[0]); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(b.String(), "\n"); n-lines > 1000 {
			t.Fatalf("%d connections and %d lines", n, lines)
		}
	}
	if err := table.Close(); err != nil || !strings.HasSuffix(b.String(), "\n3000 connections\n") {
		t.Errorf("%v, and it ends with %q", err, b.String()[b.Len()-40:])
	}
}
