package load_test

import (
	"testing"

	"github.com/shunt-lb/shunt/bench/load"
	"github.com/shunt-lb/shunt/internal/leak"
)

func TestMain(m *testing.M) {
	load.Main()
	leak.Main(m)
}
