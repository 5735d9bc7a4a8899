package programs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// WebSockets that are open while shunt reloads, again and again, lose not one
// message, and end with the handshake of RFC 6455 section 7.1.
func TestWebSocket(t *testing.T) {
	needModule(t, "websockets")
	const sockets = 12
	port := process.FreePort(t)
	for _, addr := range reals {
		p := process.Start(t, python, "testdata/websocket_server.py", addr, port)
		p.Listens(addr + ":" + port)
	}
	section := service(port, reals, "scheduler = wlc", "checktype = connect")
	d := direct(t, section)
	client := process.Start(t, python, "testdata/websocket_client.py", fmt.Sprintf("ws://%s:%s/", vip, port), fmt.Sprint(sockets))
	client.Prints("talking")
	half := d.each(id("tcp", port))
	moved := func() float64 { return sum(d.metrics(), "shunt_service_out_bytes_total", id("tcp", port)) }
	for weight := range 6 {
		// The first is 0: its connections stay with it all the same.
		d.reload(strings.Replace(section, reals[0]+":"+port+" masq", fmt.Sprintf("%s:%s masq %d", reals[0], port, weight), 1))
		before := moved()
		wait.Until(t, "messages go on after the reload", func() bool { return moved() > before+5<<20 })
	}
	client.Say("end")
	client.Wait()
	var sent, received, pings, closed int
	out := strings.TrimPrefix(client.Printed(), "talking\n")
	if _, err := fmt.Sscanf(out, "sent %d received %d pings %d closed %d", &sent, &received, &pings, &closed); err != nil {
		t.Fatalf("the client says %q: %v", out, err)
	}
	t.Log(out)
	if sent == 0 || sent != received || pings == 0 || closed != sockets {
		t.Errorf("%s of %d sockets: not all is back", out, sockets)
	}
	if n := d.each(id("tcp", port)); len(n) != 2 || n[0] != sockets/2 || n[1] != sockets/2 {
		t.Errorf("connections are spread as %v, at first as %v", n, half)
	}
	d.carried(id("tcp", port), sockets)
}
