//go:build race

package programs_test

func init() { racing = true }
