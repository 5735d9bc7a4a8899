package lab_test

import (
	"testing"

	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) {
	lab.Main()
	leak.Main(m)
}
