//go:build race

package admin_test

// raceFactor is how much more work takes with the race detector.
const raceFactor = 20
