// Package guest is what runs inside of the virtual machine: process 1, which
// furnishes the machine, runs one command and reports how it ended, and
// /sbin/modprobe, which the kernel calls for modules it lacks.
package guest

import (
	"encoding/json"
	"fmt"
	"os"
)

// The paths, in the guest, by which host and guest exchange files.
const (
	JobFile      = "/job.json"
	ModuleDir    = "/usr/lib/modules"
	ModuleIndex  = ModuleDir + "/index.json"
	InitFile     = "/init"
	ModprobeFile = "/usr/sbin/modprobe"
)

// The serial ports of the machine.
const (
	Console = "/dev/ttyS0" // what the kernel and process 1 say
	Stdio   = "/dev/ttyS1" // input and output of the command
	Report  = "/dev/ttyS2" // a tar archive: files that come back and the exit status
)

// ExitName is the last file of the report. It holds the status as a decimal.
const ExitName = "exit"

// A Job is what a machine is started for.
type Job struct {
	Args   []string // the command, by its path
	Env    []string // all of its environment
	Dir    string   // where it runs
	Load   []string // modules to load before
	Return []string // files and folders to report; those that are not there are left out
	TTY    *Size    // the command talks to a terminal of that size
}

// A Size is that of a terminal, in characters.
type Size struct{ Rows, Columns uint16 }

// readJSON reads what the host left in file.
func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}
