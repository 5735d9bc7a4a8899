package admin

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/director"
)

// A status in pieces is that of a json.Encoder, byte by byte, whatever is in it.
func TestWriteStatus(t *testing.T) {
	trap := `"services":[] "servers":[] <&> ` + "\n"
	server := func(name string) director.ServerStatus {
		return director.ServerStatus{Server: name, Cause: trap, Since: time.Unix(1, 2), Warnings: []string{trap}}
	}
	for name, st := range map[string]director.Status{
		"nothing":     {Services: []director.ServiceStatus{}, Transitions: []director.Transition{}},
		"no list":     {},
		"no servers":  {Unready: trap, Services: []director.ServiceStatus{{Service: trap, Servers: []director.ServerStatus{}}}},
		"one server":  {Services: []director.ServiceStatus{{Servers: []director.ServerStatus{server(trap)}, Warnings: []string{trap}}}},
		"several":     {Unready: trap, Services: []director.ServiceStatus{{Name: trap, Servers: []director.ServerStatus{server("a"), server("b")}}, {Servers: []director.ServerStatus{server("c")}}}},
		"transitions": {Services: []director.ServiceStatus{{Servers: []director.ServerStatus{server("a")}}}, Transitions: []director.Transition{{Cause: trap}}},
	} {
		var want, got bytes.Buffer
		if err := json.NewEncoder(&want).Encode(st); err != nil {
			t.Fatal(err)
		}
		if err := writeStatus(&got, st); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.TrimSpace(got.String()), want.String())
		}
	}
}
