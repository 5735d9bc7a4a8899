package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/shunt-lb/shunt/bench/result"
)

// JSON writes run as Read reads it, with the version of the format of this
// program whatever run says. JSON has no words for infinities: a run with one,
// or with NaN, is an error.
func JSON(w io.Writer, run result.Run) error {
	run.Version = result.Version
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(run)
}

// Read reads a run that JSON wrote. A file of another version, or one that is
// no report, is refused.
func Read(r io.Reader) (result.Run, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return result.Run{}, err
	}
	// The version first: in another one, fields may be of another kind.
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return result.Run{}, fmt.Errorf("no report of shunt-bench: %w", err)
	}
	switch head.Version {
	case result.Version:
	case 0:
		return result.Run{}, fmt.Errorf("no report of shunt-bench: it names no version")
	default:
		return result.Run{}, fmt.Errorf("report of format version %d; this shunt-bench reads version %d", head.Version, result.Version)
	}
	var run result.Run
	if err := json.Unmarshal(b, &run); err != nil {
		return result.Run{}, fmt.Errorf("damaged report: %w", err)
	}
	return run, nil
}
