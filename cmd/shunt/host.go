package main

import "github.com/urfave/cli/v2"

// hostCommands are about this host.
func hostCommands() []*cli.Command { return []*cli.Command{realserverCommand(), doctorCommand()} }
