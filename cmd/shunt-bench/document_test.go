package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/bench"
)

// Every command that BENCHMARKS.md shows is one that has something to measure.
func TestCommandsOfTheDocument(t *testing.T) {
	text, err := os.ReadFile("../../BENCHMARKS.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^bin/(shunt-bench run .*)$`).FindAllSubmatch(text, -1)
	if len(commands) < 5 {
		t.Fatalf("only %d commands were found", len(commands))
	}
	t.Chdir(t.TempDir()) // some would keep packets
	for _, c := range commands {
		if steps, err := plan(t, strings.Fields(string(c[1]))); err != nil || steps == 0 {
			t.Errorf("%s: %d steps, %v", c[1], steps, err)
		}
	}
}

// plan returns how many steps a command has, without taking them.
func plan(t *testing.T, args []string) (steps int, err error) {
	var said strings.Builder
	app := newApp(&said, &said)
	for _, c := range app.Commands {
		if c.Name == "run" {
			c.Action = func(ctx *cli.Context) error {
				o, err := options(ctx)
				if err != nil {
					return err
				}
				o.Shunt = os.Args[0] // any program will do
				r, err := bench.New(o)
				if err != nil {
					return fmt.Errorf("plan: %w", err)
				}
				steps = r.Steps()
				return nil
			}
		}
	}
	return steps, app.RunContext(t.Context(), args)
}
