package proxy_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) {
	for env, be := range map[string]func(string) error{
		childEnv:  serveAsChild,
		remoteEnv: func(string) error { return serveRemote() },
		serverEnv: func(string) error { return serveEcho() },
	} {
		if what := os.Getenv(env); what != "" {
			if err := be(what); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	// Those that may run beside each other wait most of the time.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	leak.Main(m)
}
