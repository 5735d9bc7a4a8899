// Package version says which shunt this is.
package version

import "runtime/debug"

// Number is the version of shunt, as in CHANGELOG.md. The Makefile reads it here
// for the packages.
const Number = "0.1.0"

// unknown is the commit of a program that was built outside of a checkout.
const unknown = "unknown"

// Commit returns the first twelve digits of the commit that this program was built
// from, with "-dirty" behind them if the files differed from it. For a program
// that was built without git it is "unknown".
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	return commit(info.Settings)
}

func commit(settings []debug.BuildSetting) string {
	value := map[string]string{}
	for _, s := range settings {
		value[s.Key] = s.Value
	}
	revision := value["vcs.revision"]
	if revision == "" {
		return unknown
	}
	if revision = revision[:min(len(revision), 12)]; value["vcs.modified"] == "true" {
		revision += "-dirty"
	}
	return revision
}

// Text returns version and commit as programs print them.
func Text() string { return Number + " (" + Commit() + ")" }
