package director

import (
	"encoding/json"
	"time"
)

// Seconds is a duration that travels in JSON as a number of seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(s).Seconds())
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	// Rounded, because 3.141e-6 seconds is a little less than 3141 ns.
	*s = Seconds(time.Duration(f*1e9 + 0.5))
	return nil
}
