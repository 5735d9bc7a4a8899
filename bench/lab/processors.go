package lab

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Processors are the processors of the processes.
type Processors struct {
	Director []int // of the subject alone
	Others   []int // of clients, real servers and the program itself
}

// Share divides the processors this process may use: the director gets the last
// n, and all others share the rest. A single processor is shared by all, and
// figures of time mean little.
func Share(n int) (Processors, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return Processors{}, fmt.Errorf("read which processors may be used: %w", err)
	}
	var all []int
	for i := 0; len(all) < set.Count(); i++ {
		if set.IsSet(i) {
			all = append(all, i)
		}
	}
	if len(all) == 1 && n == 1 {
		return Processors{Director: all, Others: all}, nil
	}
	if n < 1 || n >= len(all) {
		return Processors{}, fmt.Errorf("%d of %d processors cannot be the director's: the generator needs at least one", n, len(all))
	}
	return Processors{Director: all[len(all)-n:], Others: all[:len(all)-n]}, nil
}

// String returns the division in words.
func (p Processors) String() string {
	if fmt.Sprint(p.Director) == fmt.Sprint(p.Others) {
		return "director, clients and real servers share " + names(p.Director)
	}
	return fmt.Sprintf("director alone on %s; clients and real servers on %s", names(p.Director), names(p.Others))
}

func names(processors []int) string {
	text := strings.Trim(strings.ReplaceAll(fmt.Sprint(processors), " ", ", "), "[]")
	if len(processors) == 1 {
		return "processor " + text
	}
	return "processors " + text
}
