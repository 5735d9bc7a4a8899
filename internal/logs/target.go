package logs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// target opens what a target means.
func (s *Sink) target(name string) (output, error) {
	switch {
	case name == "":
		return s.stderr, nil
	case strings.HasPrefix(name, "/"):
		return openFile(name, s)
	}
	f, ok := facilities[strings.ToLower(name)]
	if !ok {
		names := slices.SortedFunc(maps.Keys(facilities), func(a, b string) int {
			return cmp.Compare(facilities[a], facilities[b])
		})
		return nil, fmt.Errorf("log target %q: want a path that starts with / or a syslog facility: %s",
			name, strings.Join(names, " "))
	}
	return s.dialSyslog(name, f), nil
}
