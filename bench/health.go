package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/internal/test/netlab"
)

// healthMark is the first argument of a process that answers health checks.
const healthMark = "shunt-bench-health"

// health starts what answers checks of real servers: 200 to every HTTP
// request. It is a process, to be stopped and killed with a real server.
func health(in *netlab.Namespace, addr netip.AddrPort, processors []int) (*netlab.Process, error) {
	return in.Start(lab.Pin(exec.Command("/proc/self/exe", healthMark, addr.String()), processors))
}

func healthMain() {
	if len(os.Args) == 3 && os.Args[1] == healthMark {
		fmt.Fprintln(os.Stderr, serveHealth(os.Args[2], os.Stdin, os.Stdout))
		os.Exit(1)
	}
}

// A firstCheck is a line of the process: a check has found a real server well,
// or unwell, for the first time.
type firstCheck struct {
	Addr   netip.Addr `json:"addr"`
	Unwell bool       `json:"unwell,omitempty"`
}

// A healthServer answers checks with the health of real servers by their
// address. They are well unless told otherwise.
type healthServer struct {
	mu   sync.Mutex
	sick map[netip.Addr]bool
	seen map[firstCheck]bool
	out  *json.Encoder
}

// serveHealth answers checks until listening fails. Each line of in is an address
// that is unwell from now on; out gets a line for each firstCheck.
func serveHealth(addr string, in io.Reader, out io.Writer) error {
	w := newHealthServer(out)
	go w.listen(in)
	s := http.Server{Addr: addr, ReadTimeout: 10 * time.Second, Handler: w}
	return s.ListenAndServe()
}

func newHealthServer(out io.Writer) *healthServer {
	return &healthServer{sick: map[netip.Addr]bool{}, seen: map[firstCheck]bool{}, out: json.NewEncoder(out)}
}

func (w *healthServer) listen(in io.Reader) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if a, err := netip.ParseAddr(lines.Text()); err == nil {
			w.mu.Lock()
			w.sick[a] = true
			w.mu.Unlock()
		}
	}
}

// ServeHTTP answers the check of the real server whose address it came to.
func (w *healthServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !w.well(local.AddrPort().Addr().Unmap()) {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(rw, "well")
}

func (w *healthServer) well(a netip.Addr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := firstCheck{a, w.sick[a]}
	if !w.seen[s] {
		w.seen[s] = true
		_ = w.out.Encode(s) // nobody may listen
	}
	return !s.Unwell
}
