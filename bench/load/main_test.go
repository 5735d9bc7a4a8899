package load_test

import (
	"os"
	"testing"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) {
	// Else each process of a race-detecting test takes a second to end.
	if os.Getenv("GORACE") == "" {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	load.Main()
	leak.Main(m)
}
