package checks

import (
	"maps"
	"slices"
)

// Names are those of all checks, for tests.
func Names() []string { return slices.Sorted(maps.Keys(byName)) }
