package main

import (
	"github.com/urfave/cli/v2"
)

// askCommands answer questions about a running shunt.
func askCommands() []*cli.Command {
	return []*cli.Command{explainCommand(), eventsCommand(), connectionsCommand()}
}

func serviceFlag(usage string) cli.Flag { return &cli.StringFlag{Name: "service", Usage: usage} }

func realFlag(usage string) cli.Flag { return &cli.StringFlag{Name: "real", Usage: usage} }
