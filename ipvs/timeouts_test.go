package ipvs

import (
	"errors"
	"testing"
	"time"

	"github.com/shunt-lb/shunt/dataplane"
)

func TestTimeouts(t *testing.T) {
	d, f := opened()
	f.times = Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 5 * time.Minute}
	keepsTimeouts(t, d)
}

// keepsTimeouts is for the kernel too.
func keepsTimeouts(t *testing.T, d *Dataplane) {
	t.Helper()
	for _, c := range []struct {
		set, want Timeouts
		writes    uint64
	}{
		{Timeouts{}, Timeouts{15 * time.Minute, 2 * time.Minute, 5 * time.Minute}, 0},
		{Timeouts{TCP: time.Hour}, Timeouts{time.Hour, 2 * time.Minute, 5 * time.Minute}, 1},
		{Timeouts{TCP: time.Hour, UDP: 1500 * time.Millisecond}, Timeouts{time.Hour, 2 * time.Minute, 2 * time.Second}, 1},
		{Timeouts{TCPFin: time.Nanosecond}, Timeouts{time.Hour, time.Second, 2 * time.Second}, 1},
		{Timeouts{TCP: time.Hour, TCPFin: time.Second, UDP: 2 * time.Second}, Timeouts{time.Hour, time.Second, 2 * time.Second}, 0},
		{Timeouts{TCP: maxTimeout}, Timeouts{maxTimeout, time.Second, 2 * time.Second}, 1},
	} {
		before := d.Writes()
		must(t, d.SetTimeouts(t.Context(), c.set))
		got, err := d.Timeouts(t.Context())
		must(t, err)
		if n := d.Writes() - before; got != c.want || n != c.writes {
			t.Errorf("set %+v: %d writes and %+v, want %d and %+v", c.set, n, got, c.writes, c.want)
		}
	}
	for _, bad := range []Timeouts{{TCP: -1}, {UDP: maxTimeout + 1}} {
		if err := d.SetTimeouts(t.Context(), bad); !errors.Is(err, dataplane.ErrNotSupported) {
			t.Errorf("set %+v: %v, want ErrNotSupported", bad, err)
		}
	}
}
