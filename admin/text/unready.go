package text

import (
	"errors"

	"github.com/shunt-lb/shunt/director"
)

// Unready says why st is not ready, nil if it is.
func Unready(st director.Status) error {
	if st.Config.Loaded.IsZero() {
		return errors.New("no configuration is in force yet")
	}
	switch {
	case st.Ready:
		return nil
	case st.Unready != "":
		return errors.New(st.Unready)
	}
	return errors.New("shunt does not say why it is not ready")
}
