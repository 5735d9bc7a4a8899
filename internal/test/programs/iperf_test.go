package programs_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/need"
	"github.com/shunt-lb/shunt/internal/test/process"
	"github.com/shunt-lb/shunt/internal/test/wait"
)

// An iperfServer is an iperf3 behind shunt, one of two. Its UDP flows belong to a TCP
// connection of theirs, so that both services of the port have to choose the
// same one, also when it has just ended a test and closed its UDP port.
type iperfServer struct {
	server *process.Process
	addr   string
	port   string
	runs   int // so far
}

// newIperfServer starts both servers and finds out which is chosen.
func newIperfServer(t *testing.T) (*iperfServer, *daemon) {
	t.Helper()
	port := process.FreePort(t)
	servers := make([]*iperfServer, len(reals))
	for i, addr := range reals {
		servers[i] = &iperfServer{server: process.Start(t, "iperf3", "-s", "-B", addr, "-p", port, "--forceflush"), addr: addr, port: port}
		servers[i].ready()
	}
	tied := []string{"scheduler = sh", "checktype = on"} // a check would stand in line with the clients
	d := direct(t, service(port, reals, tied...), service(port, reals, append(tied, "protocol = udp")...))
	process.Run(t, "iperf3", "-c", vip, "-p", port, "-n", "8K")
	var g *iperfServer
	wait.Until(t, "a server has run a test", func() bool {
		for _, one := range servers {
			if strings.Contains(one.server.Printed(), "(test #2)") {
				g = one
			}
		}
		return g != nil
	})
	return g, d
}

// ready waits until the server is ready for another test, of which it tells.
func (g *iperfServer) ready() {
	g.runs++
	g.server.Prints(fmt.Sprintf("Server listening on %s (test #%d)", g.port, g.runs))
}

// iperf3 both ways by TCP and UDP.
func TestIperf(t *testing.T) {
	need.Programs(t, "iperf3")
	g, d := newIperfServer(t)
	for _, way := range []string{"", "-R"} {
		t.Run("tcp"+way, func(t *testing.T) {
			r := g.run(t, vip, "-t", "1", "-P", "4", way)
			t.Logf("%.0f Mbit/s", r.End.Received.Rate/1e6)
		})
		for _, size := range []string{"1400", "65507"} { // 65507 is the most that IPv4 has room for
			t.Run("udp "+size+way, func(t *testing.T) { g.datagrams(t, "-u", "-l", size, "-b", "20M", "-P", "2", "-n", "1M", way) })
		}
	}
	d.carried(id("tcp", g.port), 1+1+2*(1+4)+4)
	d.took(id("udp", g.port), 4*2-1) // a client's port may come again
}

// datagrams loses no more of them through shunt than without it. On a machine
// with much to do whoever is not in time to take them loses some, so that it is
// tried again.
func (g *iperfServer) datagrams(t *testing.T, args ...string) {
	for range 10 {
		sum := g.run(t, vip, args...).End.Sum
		t.Logf("%v of %v lost", sum.Lost, sum.Packets)
		if sum.Packets < 16 {
			t.Fatalf("only %v datagrams were sent", sum.Packets)
		}
		if sum.Lost == 0 || sum.Lost <= g.run(t, g.addr, args...).End.Sum.Lost {
			return
		}
	}
	t.Error("each time more datagrams were lost than without shunt")
}

// A result is what iperf3 prints of a test, as far as it matters here.
type result struct {
	Error string
	End   struct {
		Sum struct { // of UDP
			Packets float64
			Lost    float64 `json:"lost_packets"`
		}
		Sent     direction `json:"sum_sent"`
		Received direction `json:"sum_received"`
	}
}

type direction struct {
	Bytes float64
	Rate  float64 `json:"bits_per_second"`
}

// run runs one test, which has to end well and to move something.
func (g *iperfServer) run(t *testing.T, addr string, args ...string) result {
	t.Helper()
	g.ready()
	args = slices.DeleteFunc(args, func(arg string) bool { return arg == "" })
	out := process.Run(t, "iperf3", append([]string{"-J", "-c", addr, "-p", g.port}, args...)...)
	var r result
	must(t, json.Unmarshal([]byte(out), &r))
	if r.Error != "" || r.End.Sent.Bytes == 0 || r.End.Received.Bytes == 0 {
		t.Fatalf("iperf3 says\n%s", out)
	}
	return r
}
