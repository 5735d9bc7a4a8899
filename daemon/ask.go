package daemon

import "github.com/shunt-lb/shunt/director"

// Events returns the latest events of the director.
func (d *Daemon) Events() *director.Events { return director.EventsOf(d.director) }
