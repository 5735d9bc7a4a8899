package proxy_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/shunt-lb/shunt/internal/leak"
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
	leak.Main(m)
}
