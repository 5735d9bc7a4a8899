// Package outcomes has tests that end in every way a test can end, to be run
// in a virtual machine, one at a time.
package outcomes

func covered() string { return "covered" }
