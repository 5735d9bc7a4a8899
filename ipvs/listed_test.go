package ipvs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-lb/shunt/dataplane"
)

func TestReadServices(t *testing.T) {
	const table = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A090001:0050 wrr  persistent 60000 FFFFFFFF
  -> 0A090101:1F90      Masq    2      0          0
UDP  0A090001:0035 rr ops
TCP  [fd00:0009:0000:0000:0000:0000:0000:0001]:0050 rr
  -> [fd00:0009:0000:0000:0000:0000:0000:0002]:0050      Route   1      0          0
SCTP 0A090001:0050 rr
FWM  00000005 rr
`
	got, err := readServices(strings.NewReader(table))
	must(t, err)
	want := []dataplane.ServiceID{web, udp("10.9.0.1:53"), web6}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b dataplane.ServiceID) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, bad := range []string{"TCP 0A090001 wrr", "TCP 0A09000x:0050 wrr", "TCP 0A090001:x wrr"} {
		if ids, err := readServices(strings.NewReader(bad)); err == nil {
			t.Errorf("%q reads as %v", bad, ids)
		}
	}
}
