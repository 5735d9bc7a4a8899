package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/shunt-lb/shunt/admin"
	"github.com/shunt-lb/shunt/daemon"
)

// rootDir is the folder of the sockets of shunts that root, or the service
// manager, has started.
const rootDir = "/run/shunt"

// controlPaths returns the paths of the control sockets of a configuration: the
// one that the command line names, else those named after the file, in dir.
func controlPaths(c *cli.Context, dir, config string) []string {
	return socketPaths(c.String("control"), dir, config)
}

// socketPaths is controlPaths with the path that was named, "" for none.
func socketPaths(named, dir, config string) []string {
	if named != "" {
		return []string{named}
	}
	var paths []string
	for _, name := range admin.ControlNames(config) {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

// runtimeDir returns the folder for sockets: the one of the service manager or in
// /run for root and for services that may write there, the user's own folder for
// everybody else.
func runtimeDir() string {
	// There may be several, separated by colons, see systemd.exec(5).
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return rootDir
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "shunt")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("shunt-%d", os.Geteuid()))
}

// statePath returns the path of the state file of a configuration: the one that the
// command line names, else one named as its control socket is, "" for none.
func statePath(c *cli.Context, config string) string {
	if c.IsSet("state") {
		return c.String("state")
	}
	dir := stateDir()
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, strings.TrimSuffix(admin.ControlNames(config)[0], ".sock")+".state")
}

// stateDir returns the folder for state files: the one of the service manager, /var/lib
// for root, the user's own for everybody else, "" if there is none.
func stateDir() string {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/shunt"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "shunt")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "shunt")
	}
	return ""
}

// dial returns a client of the shunt that a command is about: the one for the
// configuration, or whichever has the control socket if that alone is named.
func dial(c *cli.Context) (*admin.Client, error) {
	if path := c.String("control"); path != "" && (!c.IsSet("config") || c.String("config") == "") {
		return admin.Dial(path), nil
	}
	return dialFor(configName(c), c.String("control"))
}

// dialFor returns a client of the shunt for the configuration of that name. control
// is the path of its control socket, "" for the usual ones.
func dialFor(name, control string) (*admin.Client, error) {
	configs, err := meant(name)
	if err != nil {
		return nil, err
	}
	for _, config := range configs {
		for _, dir := range []string{runtimeDir(), rootDir} {
			for _, path := range socketPaths(control, dir, config) {
				if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
					return admin.Dial(path).For(config), nil
				}
			}
		}
	}
	config := configs[len(configs)-1]
	return admin.Dial(socketPaths(control, runtimeDir(), config)[0]).For(config), nil
}

// configName returns the name of the configuration that a command is about. An
// empty variable of the environment counts as none.
func configName(c *cli.Context) string { return cmp.Or(c.String("config"), defaultConfig) }

// meant returns the paths of the configuration that a name means: that of the
// file, or if it is gone, all that it may have had.
func meant(name string) ([]string, error) {
	if path, err := daemon.FindConfig(name); err == nil {
		return []string{path}, nil
	}
	return daemon.ConfigPaths(name)
}
