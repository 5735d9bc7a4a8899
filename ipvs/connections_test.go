package ipvs

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/dataplane"
)

const heading = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"

// readAll reads a table.
func readAll(ctx context.Context, text string) (all []dataplane.Connection, err error) {
	readConnections(ctx, strings.NewReader(text), func(c dataplane.Connection, e error) bool {
		if e != nil {
			err = e
			return false
		}
		all = append(all, c)
		return true
	})
	return all, err
}

func TestReadConnections(t *testing.T) {
	at := netip.MustParseAddrPort
	got, err := readAll(t.Context(), heading+
		"TCP 0A010002 A1B2 0A020064 0050 0A02000B 1F90 ESTABLISHED     899\n"+
		"UDP 0A010002 A1B2 0A020064 0035 fd00:0002:0000:0000:0000:0000:0000:0011 0035 UDP             299 sip call-id\n"+
		"TCP fd00:0001:0000:0001:0000:0000:0000:0002 0000 fd00:0002:0000:0000:0000:0000:0000:0100 0050 fd00:0002:0000:0000:0000:0000:0000:0011 0050 NONE              0\n")
	must(t, err)
	want := []dataplane.Connection{
		{Protocol: "TCP", Client: at("10.1.0.2:41394"), Virtual: at("10.2.0.100:80"), Server: at("10.2.0.11:8080"), State: "ESTABLISHED", Expires: 899 * time.Second},
		{Protocol: "UDP", Client: at("10.1.0.2:41394"), Virtual: at("10.2.0.100:53"), Server: at("[fd00:2::11]:53"), State: "UDP", Expires: 299 * time.Second},
		{Protocol: "TCP", Client: at("[fd00:1:0:1::2]:0"), Virtual: at("[fd00:2::100]:80"), Server: at("[fd00:2::11]:80"), State: "NONE", Expires: 0},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Errorf("connections (-want +got):\n%s", d)
	}
}

func TestReadConnectionsComplains(t *testing.T) {
	for _, line := range []string{
		"TCP 0A010002 A1B2\n",
		"TCP 0A01000Z A1B2 0A020064 0050 0A02000B 1F90 ESTABLISHED 899\n",
		"TCP 0A010002 A1B2F 0A020064 0050 0A02000B 1F90 ESTABLISHED 899\n",
		"TCP 0A010002 A1B2 0A020064 0050 fd00::zz 1F90 ESTABLISHED 899\n",
		"TCP 0A010002 A1B2 0A020064 0050 0A02000B 1F90 ESTABLISHED soon\n",
	} {
		if all, err := readAll(t.Context(), heading+line); err == nil {
			t.Errorf("%q is read as %+v", line, all)
		}
	}
	if all, err := readAll(t.Context(), heading); err != nil || all != nil {
		t.Errorf("an empty table: %v, %v", all, err)
	}
}
