package report

import (
	"io"

	"github.com/shunt-lb/shunt/bench/result"
)

// HTML writes run as one page that needs nothing from elsewhere.
func HTML(w io.Writer, run result.Run) error {
	return nil
}
