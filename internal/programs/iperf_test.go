package programs_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// A gauge is an iperf3 behind shunt. Its UDP flows belong to a TCP connection
// of theirs, and go to the same port.
type gauge struct {
	server *program
	port   string
	runs   int // so far
}

// iperf3 both ways by TCP and UDP.
func TestIperf(t *testing.T) {
	need(t, "iperf3")
	port := freePort(t)
	g := &gauge{port: port, server: start(t, "iperf3", "-s", "-B", reals[0], "-p", port, "--forceflush")}
	// A check would stand in line with the clients.
	d := direct(t, service(port, reals[:1], "checktype = on"), service(port, reals[:1], "checktype = on", "protocol = udp"))
	for _, way := range []string{"", "-R"} {
		t.Run("tcp"+way, func(t *testing.T) {
			r := g.run(t, vip, "-t", "1", "-P", "4", way)
			t.Logf("%.0f Mbit/s", r.End.Received.Rate/1e6)
		})
		for _, size := range []string{"1400", "65507"} { // 65507 is the most that IPv4 has room for
			t.Run("udp "+size+way, func(t *testing.T) { g.datagrams(t, "-u", "-l", size, "-b", "20M", "-P", "2", "-n", "1M", way) })
		}
	}
	d.carried(id("tcp", port), 2*(1+4)+4)
	d.took(id("udp", port), 4*2-1) // a client's port may come again
}

// datagrams loses no more of them through shunt than without it.
func (g *gauge) datagrams(t *testing.T, args ...string) {
	sum := g.run(t, vip, args...).End.Sum
	t.Logf("%v of %v lost", sum.Lost, sum.Packets)
	if sum.Packets < 16 {
		t.Errorf("only %v datagrams were sent", sum.Packets)
	}
	if sum.Lost > 0 && sum.Lost > g.run(t, reals[0], args...).End.Sum.Lost {
		t.Errorf("%v of %v datagrams were lost, more than without shunt", sum.Lost, sum.Packets)
	}
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
func (g *gauge) run(t *testing.T, addr string, args ...string) result {
	t.Helper()
	g.runs++ // the server says so whenever it is ready for another
	g.server.prints(fmt.Sprintf("Server listening on %s (test #%d)", g.port, g.runs))
	args = slices.DeleteFunc(args, func(arg string) bool { return arg == "" })
	out := run(t, "iperf3", append([]string{"-J", "-c", addr, "-p", g.port}, args...)...)
	var r result
	must(t, json.Unmarshal([]byte(out), &r))
	if r.Error != "" || r.End.Sent.Bytes == 0 || r.End.Received.Bytes == 0 {
		t.Fatalf("iperf3 says\n%s", out)
	}
	return r
}
