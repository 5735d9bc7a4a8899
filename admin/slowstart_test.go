package admin_test

import (
	"strings"
	"testing"
)

// A server in a slow start has the weight of the configuration, and a share of
// it in force.
func TestSlowStart(t *testing.T) {
	st := calm()
	st.Services[0].Servers[0].SlowStart = 0.4
	s := newServer(t, tells(st))
	metrics := get(s, "/metrics").Body.String()
	for name, want := range map[string]string{"shunt_real_server_weight": "0.8", "shunt_real_server_configured_weight": "2"} {
		_, line, _ := strings.Cut(metrics, "\n"+name+"{")
		line, _, _ = strings.Cut(line, "\n")
		if got := line[strings.LastIndexByte(line, ' ')+1:]; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if page := get(s, "/").Body.String(); !strings.Contains(page, "slow start 40%") {
		t.Error("no word of the slow start on the page")
	}
}
