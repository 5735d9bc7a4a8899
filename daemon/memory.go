package daemon

import (
	"os"
	"runtime/debug"
)

// gcPercent is by how much the heap may grow, in percent of what is in use, before it
// is collected. With Go's own 100, half of the memory of a daemon would be garbage.
// Plain checks that go well and connections of the proxy leave none; checks over TLS
// and by client libraries do, and pay for two collections where they paid for one.
const gcPercent = 50

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
