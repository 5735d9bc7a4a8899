package programs_test

import (
	"encoding/json"
	"slices"
	"testing"
)

// iperf3 both ways by TCP and UDP. Its UDP flows belong to a TCP connection of
// theirs, so that both services of the port have to choose the same server.
func TestIperf(t *testing.T) {
	need(t, "iperf3")
	port := freePort(t)
	for _, addr := range reals {
		// A check would stand in line with the clients.
		p := start(t, "iperf3", "-s", "-B", addr, "-p", port, "--forceflush")
		p.prints("Server listening")
	}
	tcp := service(port, reals, "scheduler = sh", "checktype = on")
	udp := service(port, reals, "scheduler = sh", "checktype = on", "protocol = udp")
	d := direct(t, tcp, udp)
	for _, way := range []string{"", "-R"} {
		t.Run("tcp"+way, func(t *testing.T) {
			r := iperf(t, vip, port, "-t", "1", "-P", "4", way)
			t.Logf("%.0f Mbit/s", r.End.Received.Rate/1e6)
		})
		for _, size := range []string{"1400", "65507"} { // 65507 is the most that IPv4 has room for
			t.Run("udp "+size+way, func(t *testing.T) { datagrams(t, port, "-u", "-l", size, "-b", "20M", "-P", "2", "-n", "1M", way) })
		}
	}
	d.carried(id("tcp", port), 2*(1+4)+4)
	d.carried(id("udp", port), 4*2)
}

// datagrams loses no more of them through shunt than without it.
func datagrams(t *testing.T, port string, args ...string) {
	sum := iperf(t, vip, port, args...).End.Sum
	t.Logf("%v of %v lost", sum.Lost, sum.Packets)
	if sum.Packets < 16 {
		t.Errorf("only %v datagrams were sent", sum.Packets)
	}
	if sum.Lost > 0 && sum.Lost > iperf(t, reals[0], port, args...).End.Sum.Lost {
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

// iperf runs one test, which has to end well and to move something.
func iperf(t *testing.T, addr, port string, args ...string) result {
	t.Helper()
	args = slices.DeleteFunc(args, func(arg string) bool { return arg == "" })
	out := run(t, "iperf3", append([]string{"-J", "-c", addr, "-p", port}, args...)...)
	var r result
	must(t, json.Unmarshal([]byte(out), &r))
	if r.Error != "" || r.End.Sent.Bytes == 0 || r.End.Received.Bytes == 0 {
		t.Fatalf("iperf3 says\n%s", out)
	}
	return r
}
