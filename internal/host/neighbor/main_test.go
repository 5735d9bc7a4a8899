package neighbor_test

import (
	"testing"

	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
