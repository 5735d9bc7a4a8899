package returnpath_test

import (
	"testing"

	"github.com/shunt-lb/shunt/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
