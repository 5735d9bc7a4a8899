package logs_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/logs"
)

// TestLongRecords: no record has more than 4 KiB, whatever is in it, and JSON
// stays JSON.
func TestLongRecords(t *testing.T) {
	long := strings.Repeat("\x01\"ü\n", 30000)
	for _, format := range []string{"text", "json"} {
		s, text := open(t, logs.Options{Format: format}, logs.Settings{})
		log := s.Logger()
		log.Info("one", "err", errors.New(long))
		log.Info("many", "a", long, "b", long, "c", long, "d", errors.New(long))
		log.With("always", long[:100]).Info("short", "a", "b")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(text()), "\n")
		if len(lines) != 3 {
			t.Fatalf("%s: %d lines", format, len(lines))
		}
		for _, line := range lines {
			if len(line) > 4<<10 || format == "json" && !json.Valid([]byte(line)) {
				t.Errorf("%s: %d bytes: %.200s", format, len(line), line)
			}
		}
		if !strings.Contains(lines[0], "bytes more)") || strings.Contains(lines[2], "bytes more)") {
			t.Errorf("%s: %.100s", format, lines)
		}
	}
}
