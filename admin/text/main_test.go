package text_test

import (
	"flag"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	time.Local = time.UTC // golden files hold local times
	m.Run()
}
