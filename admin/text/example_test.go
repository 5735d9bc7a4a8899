package text_test

import (
	"os"

	"github.com/shunt-lb/shunt/admin/internal/fixture"
	"github.com/shunt-lb/shunt/admin/text"
)

// The table of `shunt status`, for a terminal of 80 columns.
func ExampleRender() {
	if err := text.Render(os.Stdout, fixture.Calm(), text.Options{Width: 80, Now: fixture.Now, Host: "lvs1"}); err != nil {
		panic(err)
	}
	// Output:
	// shunt on lvs1: its virtual service is well; its real server is up; ready; as of
	//   2026-03-14 15:09:26 UTC
	//
	// dataplane  ipvs (asked for)
	// config     /etc/ha.d/ldirectord.cf
	// loaded     2026-03-14 14:09:26 UTC, 1h ago
	// started    2026-03-14 14:09:26 UTC, 1h ago
	//
	// SERVICE / REAL SERVER  FWD   WEIGHT  STATE    ACTIVE   TOTAL  CHECK
	// tcp 10.0.0.100:80                    1/1 up      112  918273
	//     www.example.com, wrr, check negotiate http, persistent 10m, waiting 2,
	//       refused 3 (unreachable 2, queue 1), denied 12, throttled 7, cut 5
	//   192.168.80.110:80    masq       2  up 1d3h     112  612345  ok 3.1ms
	//   sorry (fallback)                   standby              31
}
