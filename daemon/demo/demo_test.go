package demo

import (
	"context"
	"strings"
	"testing"

	"github.com/shunt-lb/shunt/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// The story is told to its end and leaves nothing running.
func TestStory(t *testing.T) {
	var out strings.Builder
	if err := Run(t.Context(), Options{Once: true, Out: &out, Listen: "127.0.0.1:0"}); err != nil {
		t.Fatalf("%v after\n%s", err, out.String())
	}
	if text := out.String(); strings.Count(text, "6 requests:") != 5 || !strings.Contains(text, "all sorry page (503)") {
		t.Errorf("the story is\n%s", text)
	}
}

// Ctrl-C in the middle ends it.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if err := Run(ctx, Options{Out: &out, Listen: "127.0.0.1:0"}); err == nil {
		t.Error("nothing was wrong with a cancelled start")
	}
}
