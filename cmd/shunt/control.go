package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/internal/daemon"
)

// controlPath is the control socket that goes with a configuration: the one
// that was asked for, else one named after the file.
func controlPath(c *cli.Context, config string) string {
	if path := c.String("control"); path != "" {
		return path
	}
	name := strings.TrimSuffix(filepath.Base(config), ".cf") + ".sock"
	return filepath.Join(runtimeDir(), name)
}

// runtimeDir is where sockets go: /run for root and for services that may
// write there, the user's own folder for everybody else.
func runtimeDir() string {
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/run/shunt"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "shunt")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("shunt-%d", os.Geteuid()))
}

// askPath is the control socket of the shunt that a command is about. The
// configuration need not exist any more for its shunt to be asked.
func askPath(c *cli.Context) string {
	path := c.String("config")
	if found, err := daemon.FindConfig(path); err == nil {
		path = found
	}
	return controlPath(c, path)
}
