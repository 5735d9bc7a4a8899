package config_test

import (
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/config"
)

// A file without end is read as far as it takes to see that it is none.
func TestEndlessFile(t *testing.T) {
	_, err := config.Load(t.Context(), "/dev/zero", config.Options{})
	if err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("got %v", err)
	}
}
