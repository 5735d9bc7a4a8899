package bench

import (
	"github.com/shunt-lb/shunt/bench/lab"
	"github.com/shunt-lb/shunt/bench/load"
)

// Main must be called first in main, and in TestMain of packages that measure:
// the program starts itself again for each part of a measurement. In such a
// process Main does that part and exits; in all others it returns at once.
func Main() {
	lab.Main()
	load.Main()
	healthMain()
}
