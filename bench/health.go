package bench

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/internal/netlab"
)

// healthMark is the first argument of a process that answers health checks.
const healthMark = "shunt-bench-health"

// health starts what answers checks of a real server: 200 to every HTTP
// request. It is a process, to be stopped and killed with the real server.
func health(in *netlab.Namespace, addr netip.AddrPort, processors []int) (*netlab.Process, error) {
	return in.Start(lab.Pin(exec.Command("/proc/self/exe", healthMark, addr.String()), processors))
}

// beHealth does what health is for, and ends only with an error.
func beHealth(addr string) error {
	s := http.Server{
		Addr: addr, ReadTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "well") }),
	}
	return s.ListenAndServe()
}

func healthMain() {
	if len(os.Args) == 3 && os.Args[1] == healthMark {
		fmt.Fprintln(os.Stderr, beHealth(os.Args[2]))
		os.Exit(1)
	}
}
