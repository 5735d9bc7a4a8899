package bench_test

import (
	"os"
	"testing"

	"github.com/shunt-lb/shunt/bench"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) {
	bench.Main()
	if len(os.Args) > 1 && os.Args[1] == brokenMark {
		broken(os.Args[2:])
		return
	}
	leak.Main(m)
}
