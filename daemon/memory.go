package daemon

import (
	"os"
	"runtime/debug"
)

// gcPercent is by how much the heap may grow, in percent of what is in use, before it
// is collected. Half of the memory of a daemon with thousands of real servers would be
// room to grow else. A collection is no matter: neither a good check nor a connection
// of the proxy allocates, so that hours pass between two but for the runtime's own,
// every two minutes.
const gcPercent = 25

// boundGarbage sets gcPercent, unless the environment says otherwise.
func boundGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// ready passes on whether the director is ready. When it is for the first time, what
// only reading the configuration and the first checks took goes back to the system;
// the runtime would keep most of it.
func (d *Daemon) ready(why string) {
	d.notifier.ready(why)
	if why == "" {
		d.loaded.Do(func() { go debug.FreeOSMemory() })
	}
}
