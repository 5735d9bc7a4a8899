package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// healthMark is the first argument of a process that answers health checks.
const healthMark = "shunt-bench-health"

// health starts a process that answers the checks of a real server: with 200 to
// every HTTP request. It is stopped and killed with the real server.
func health(in *netlab.Namespace, addr netip.AddrPort, processors []int) (*netlab.Process, error) {
	return in.Start(lab.Pin(exec.Command("/proc/self/exe", healthMark, addr.String(), checkInterval.String()), processors))
}

func healthMain() {
	if len(os.Args) == 4 && os.Args[1] == healthMark {
		interval, err := time.ParseDuration(os.Args[3])
		fmt.Fprintln(os.Stderr, cmp.Or(err, serveHealth(os.Args[2], interval, os.Stdin, os.Stdout)))
		os.Exit(1)
	}
}

// A firstCheck is a line of the process: a check has found a real server well,
// unwell or silent for the first time.
type firstCheck struct {
	Addr   netip.Addr `json:"addr"`
	Health string     `json:"health,omitempty"` // "" is well
}

// The lines of the process's input; the first two have an address behind them.
const (
	healthUnwell  = "unwell"  // answers with an error
	healthSilent  = "silent"  // answers nothing
	healthMeasure = "measure" // begin to measure the lateness of the checks of all that are well
	healthReport  = "report"  // end, and print it
)

// A said is a line of the process's output. It has one of the parts.
type said struct {
	First    *firstCheck   `json:"first,omitempty"`
	Lateness *load.Latency `json:"lateness,omitempty"`
}

// A healthServer answers checks with the health of real servers by their
// address. They are well unless told otherwise.
type healthServer struct {
	interval time.Duration
	mu       sync.Mutex
	health   map[netip.Addr]string
	seen     map[firstCheck]bool
	latest   map[netip.Addr]time.Time // when a check came in; nil while nothing is measured
	late     load.Latency
	out      *json.Encoder
}

// serveHealth answers checks until listening fails. Each line of in is a command;
// out gets a line for each firstCheck and each report. It does not use net/http,
// which would take a processor for 5,000 checks a second.
func serveHealth(addr string, interval time.Duration, in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	w := newHealthServer(interval, out)
	go w.listen(in)
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		addr := c.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		w.came(addr)
		go w.answer(c, addr)
	}
}

func newHealthServer(interval time.Duration, out io.Writer) *healthServer {
	return &healthServer{interval: interval, health: map[netip.Addr]string{}, seen: map[firstCheck]bool{}, out: json.NewEncoder(out)}
}

func (w *healthServer) listen(in io.Reader) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		word, addr, _ := strings.Cut(lines.Text(), " ")
		w.mu.Lock()
		switch word {
		case healthMeasure:
			w.latest, w.late = map[netip.Addr]time.Time{}, load.Latency{}
		case healthReport:
			_ = w.out.Encode(said{Lateness: &w.late}) // there may be no reader
			w.latest = nil
		case healthUnwell, healthSilent:
			if a, err := netip.ParseAddr(addr); err == nil {
				w.health[a] = word
			}
		}
		w.mu.Unlock()
	}
}

// came notes when a connection came to a real server.
func (w *healthServer) came(a netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.health[a] != "" {
		return
	}
	w.first(firstCheck{Addr: a})
	if w.latest == nil {
		return
	}
	now := time.Now()
	if before, ok := w.latest[a]; ok {
		w.late.Record(max(0, now.Sub(before)-w.interval))
	}
	w.latest[a] = now
}

// first writes the line of a first check. The caller holds the lock.
func (w *healthServer) first(c firstCheck) {
	if !w.seen[c] {
		w.seen[c] = true
		_ = w.out.Encode(said{First: &c}) // nobody may listen
	}
}

// answer answers the check of the real server whose address it came to.
func (w *healthServer) answer(c net.Conn, addr netip.Addr) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	request := make([]byte, 0, 512)
	for !bytes.Contains(request, []byte("\r\n\r\n")) && len(request) < cap(request) {
		n, err := c.Read(request[len(request):cap(request)])
		if err != nil {
			return
		}
		request = request[:len(request)+n]
	}
	w.mu.Lock()
	health := w.health[addr]
	w.first(firstCheck{addr, health})
	w.mu.Unlock()
	switch health {
	case healthUnwell:
		_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	case healthSilent:
		_, _ = c.Read(request[:cap(request)]) // until the check ends
	default:
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwell\n")
	}
}
