package proxy_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/shunt-lb/shunt/internal/leak"
)

func TestMain(m *testing.M) {
	if server := os.Getenv(childEnv); server != "" {
		if err := serveAsChild(server); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	leak.Main(m)
}
